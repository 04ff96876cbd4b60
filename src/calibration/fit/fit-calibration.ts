/** Everything that is learned from the fitted part: temperature, expert energies, margins, drift bins, the better score. */
import type { Score } from '../../model/energy.js';
import { expertsByStep, expertSample } from './experts.js';
import { intervals, positive, real } from '../metrics/intervals.js';
import { quantile } from '../metrics/order.js';
import { driftReference } from '../metrics/drift.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { infonceRows } from '../metrics/infonce.js';
import { weightedMean } from '../metrics/weighted.js';
import { noiseName, NOISE_SIGMAS } from '../data/negatives.js';
import { fitGates } from '../choice/fit-choice.js';
import type { ChoiceFit, ChunkDensity } from '../choice/choice-schema.js';
import type { Observations } from '../observations.js';
import { reportFigure } from '../report/figure.js';
import type { ScoreFit } from '../calibration-schema.js';
import { fitTemperature } from './temperature.js';

export interface FitOptions {
  /** tau where the data decide nothing. */
  readonly cardTau: number;
  /** Episode step of each data row, when known. */
  readonly episodeSteps: Float64Array | undefined;
  readonly density: ChunkDensity | null;
}

export interface Fit {
  readonly scores: Readonly<Record<Score, ScoreFit>>;
  /** The logit when its InfoNCE loss is lower beyond doubt, each at its own tau; otherwise the model's own energy. */
  readonly better: Score;
  /** Null where the data hold no candidates. */
  readonly choice: ChoiceFit | null;
}

export function fitCalibration(observations: Observations, options: FitOptions): Fit {
  const scores = {
    readout: fitScore(observations, 'readout', options),
    logit: fitScore(observations, 'logit', options),
  };
  const loss = (score: Score): Float64Array =>
    infonceRows(observations[score].groups, scores[score].temperature.tau).loss;
  const logit = loss('logit');
  const gain = loss('readout').map((value, row) => value - logit[row]!);
  const { paired } = intervals(observations.clusters, { paired: real((w) => [weightedMean(gain, w)]) });
  const better = paired[0]!.low > 0 ? 'logit' : 'readout';
  const { candidates } = observations;
  const choice = candidates && {
    gates: fitGates(candidates, better, scores[better].temperature.tau),
    density: options.density,
    best: null, // found on rows that were not fitted on
  };
  return { scores, better, choice: choice ?? null };
}

function fitScore(observations: Observations, score: Score, options: FitOptions): ScoreFit {
  const { groups, negatives } = observations[score];
  const whole = fitTemperature(groups, options.cardTau);
  const { tau, bounds } = whole;
  const { loss, chance: blind } = infonceRows(groups, tau);
  const told = blind.map((nats, row) => nats - loss[row]!);
  const { temperature, preference } = intervals(observations.clusters, {
    preference: real((weights) => [weightedMean(told, weights)]),
    temperature: positive((weights) => [fitTemperature(groups, options.cardTau, weights, whole).tau]),
  });
  // a minimum that chance alone would give as well is none
  const status = whole.status === 'fitted' && !(preference[0]!.low > 0) ? 'no_preference' : whole.status;
  const own = ownScores(groups);
  const { episodeSteps } = options;
  const byStep =
    episodeSteps &&
    expertsByStep(
      own,
      Float64Array.from(observations.rows, (row) => episodeSteps[row]!),
    );
  const noisy = interleave(
    NOISE_SIGMAS.map((sigma) => negatives.get(noiseName(sigma))!),
    groups.rows,
  );
  const { levels, chance, expert } = marginQuantiles(own, swapScores(groups), noisy);
  const { edges, shares } = driftReference(own);
  return {
    temperature: { tau, status, bounds: [...bounds], interval: reportFigure(temperature[0]!) },
    experts: { overall: copySample(expertSample(own)), ...(byStep ? { by_step: copyByStep(byStep) } : {}) },
    margins: { levels: [...levels], chance: [...chance], expert: [...expert] },
    drift: { edges: [...edges], shares: [...shares] },
  };
}

/** Columns [n] side by side, [n, columns]. */
export function interleave(columns: readonly Float64Array[], rows: number): Float64Array {
  const out = new Float64Array(rows * columns.length);
  columns.forEach((column, c) => column.forEach((value, row) => (out[row * columns.length + c] = value)));
  return out;
}

type Sample = ScoreFit['experts']['overall'];

function copySample({ n, values, at_least }: ReturnType<typeof expertSample>): Sample {
  return { n, values: [...values], at_least: [...at_least] };
}

function copyByStep({ edges, buckets }: NonNullable<ReturnType<typeof expertsByStep>>): {
  edges: number[];
  buckets: Sample[];
} {
  return { edges: [...edges], buckets: buckets.map(copySample) };
}

/** Levels of the quantiles of energy differences: for a gate that accepts only what lies clearly below the baseline. */
const MARGIN_LEVELS = [0.5, 0.75, 0.9, 0.95, 0.99] as const;

interface MarginQuantiles {
  readonly levels: readonly number[];
  /**
   * How far the lowest of a few noisy copies lies below the expert's own chunk, E_expert - min E_noisy, at those levels.
   * None of the copies is better, so a drop below the 0.95 quantile is what chance alone gives one time in twenty.
   */
  readonly chance: readonly number[];
  /** How far the expert's chunk lies below the best of its swap negatives, min E_swap - E_expert. */
  readonly expert: readonly number[];
}

/** `own` [n]; `swap` [n, B] and `noisy` [n, K] row-major, NaN = none. */
export function marginQuantiles(own: Float64Array, swap: Float64Array, noisy: Float64Array): MarginQuantiles {
  const drop = own.map((energy, row) => energy - rowMinimum(noisy, row, own.length));
  const lead = own.map((energy, row) => rowMinimum(swap, row, own.length) - energy);
  const levels = [...MARGIN_LEVELS];
  return { levels, chance: quantilesOf(drop, levels), expert: quantilesOf(lead, levels) };
}

/** Lowest value of a row, NaN where the row has none. */
function rowMinimum(values: Float64Array, row: number, rows: number): number {
  const width = values.length / rows;
  let lowest = NaN;
  for (let at = row * width; at < (row + 1) * width; at++) {
    if (!(values[at]! >= lowest)) lowest = Number.isNaN(values[at]!) ? lowest : values[at]!;
  }
  return lowest;
}

function quantilesOf(values: Float64Array, levels: readonly number[]): number[] {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  return sorted.length === 0 ? [] : levels.map((level) => quantile(sorted, level));
}
