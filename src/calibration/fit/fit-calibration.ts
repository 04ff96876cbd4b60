/** Everything that is learned from the fitted part: temperature, expert energies, margins, drift bins, the better score. */
import type { Score } from '../../model/energy.js';
import { expertsByStep, expertSample } from './experts.js';
import { marginQuantiles } from './margins.js';
import { bootstrap, type BootstrapOptions } from '../metrics/bootstrap.js';
import { driftReference } from '../metrics/drift.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { infonceRows } from '../metrics/infonce.js';
import { weightedMean } from '../metrics/weighted.js';
import { noiseName, NOISE_SIGMAS } from '../data/negatives.js';
import type { Observations } from '../observations.js';
import { reportFigure } from '../report/report-figures.js';
import type { ScoreFit } from '../calibration-schema.js';
import { fitTemperature } from './temperature.js';

export interface FitOptions extends BootstrapOptions {
  /** tau where the data decide nothing. */
  readonly cardTau: number;
  /** Episode step of each data row, when known. */
  readonly episodeSteps: Float64Array | undefined;
}

export interface Fit {
  readonly scores: Readonly<Record<Score, ScoreFit>>;
  /** The logit when its InfoNCE loss is lower beyond doubt, each at its own tau; otherwise the model's own energy. */
  readonly better: Score;
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
  const { paired } = bootstrap(observations.clusters, { paired: (w) => [weightedMean(gain, w)] }, options);
  return { scores, better: paired[0]!.low > 0 ? 'logit' : 'readout' };
}

function fitScore(observations: Observations, score: Score, options: FitOptions): ScoreFit {
  const { groups, negatives } = observations[score];
  const whole = fitTemperature(groups, options.cardTau);
  const { tau, status, bounds } = whole;
  const { temperature } = bootstrap(
    observations.clusters,
    { temperature: (weights) => [fitTemperature(groups, options.cardTau, weights, whole).tau] },
    options,
  );
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
