/** Two models on the same rows, batches and chunks: each figure of both, and their paired difference by episode. */
import type { Score } from '../../model/energy.js';
import type { Verdict } from '../choice/choice-schema.js';
import { controlReport, rankCorrelations } from '../choice/control.js';
import { levelsOf, pickCosts } from '../choice/candidate-table.js';
import { applyGate, baselineCosts } from '../choice/fit-gate.js';
import { judge } from '../choice/verdict.js';
import type { Fit } from '../fit/fit-calibration.js';
import { winRates } from '../metrics/auroc.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { expertRanks, infonceRows, rankedWithin } from '../metrics/infonce.js';
import { intervals, real, type Statistic, type WeightedValues } from '../metrics/intervals.js';
import { expectedCalibrationError } from '../metrics/reliability.js';
import { meanOf } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { reportFigure, type ReportFigure } from './figure.js';

export interface ComparedModel {
  readonly model: string;
  /** Hex sha256. */
  readonly weights_digest: string;
  /** Version; null: fitted for this comparison. */
  readonly calibration: string | null;
  readonly score: Score;
  readonly tau: number;
  readonly verdict: Verdict;
  /** Compared rows that its calibration was fitted on: they flatter it. */
  readonly fitted_before: number;
}

export interface Comparison {
  readonly rows: number;
  readonly clusters: number;
  readonly a: ComparedModel;
  readonly b: ComparedModel;
  /** The first decides. */
  readonly figures: readonly ComparedFigure[];
}

/** A model as the rows saw it. */
export interface Seen {
  readonly observations: Observations;
  readonly fit: Fit;
}

export interface ComparedFigure {
  readonly name: string;
  readonly better: 'lower' | 'higher';
  readonly a: ReportFigure;
  readonly b: ReportFigure;
  /** By how much A is better; below 0: B. Paired by row, interval by episode. */
  readonly advantage: ReportFigure;
}

interface Row {
  readonly name: string;
  readonly better: ComparedFigure['better'];
  readonly scale: Statistic['scale'];
  /** Undefined where the data hold nothing to measure it by. */
  readonly of: (seen: Seen) => WeightedValues | undefined;
}

/** What decides comes first: with candidates the cost of what is chosen, else the loss. */
const ROWS: readonly Row[] = [
  { name: 'cost of its pick', better: 'lower', scale: 'real', of: pickCost },
  { name: 'cost behind its gate', better: 'lower', scale: 'real', of: gatedCost },
  { name: 'rank correlation with cost', better: 'higher', scale: 'real', of: correlation },
  { name: 'InfoNCE loss', better: 'lower', scale: 'positive', of: (seen) => meanOf(outcomes(seen).loss) },
  {
    name: 'top-1',
    better: 'higher',
    scale: 'share',
    of: (seen) => meanOf(rankedWithin(expertRanks(tableOf(seen).groups), 1)),
  },
  {
    name: 'mean reciprocal rank',
    better: 'higher',
    scale: 'share',
    of: (seen) => meanOf(expertRanks(tableOf(seen).groups).map((rank) => 1 / rank)),
  },
  { name: 'calibration error', better: 'lower', scale: 'share', of: calibrationError },
];

/** Rows of `a` and `b` are the same, in the same order; what only one of them has is left out. The first decides. */
export function comparedFigures(a: Seen, b: Seen): ComparedFigure[] {
  const kinds = ['swap', ...tableOf(a).negatives.keys()].filter(
    (kind) => kind === 'swap' || tableOf(b).negatives.has(kind),
  );
  const wins = kinds.map((kind): Row => ({
    name: `win rate, ${kind}`,
    better: 'higher',
    scale: 'share',
    of: (seen) => meanOf(winRates(ownScores(tableOf(seen).groups), wrongScores(seen, kind))),
  }));
  return [...ROWS, ...wins].flatMap(({ name, better, scale, of }) => {
    const [ofA, ofB] = [of(a), of(b)];
    if (ofA === undefined || ofB === undefined) return [];
    const [more, less] = better === 'higher' ? [ofA, ofB] : [ofB, ofA];
    const figures = intervals(a.observations.clusters, {
      a: { scale, values: ofA },
      b: { scale, values: ofB },
      advantage: real((weights) => {
        const subtracted = less(weights);
        return more(weights).map((value, i) => value - subtracted[i]!);
      }),
    });
    return [
      {
        name,
        better,
        a: reportFigure(figures.a[0]!),
        b: reportFigure(figures.b[0]!),
        advantage: reportFigure(figures.advantage[0]!),
      },
    ];
  });
}

/** The verdict of one of the two on these rows. */
export function verdictOn(seen: Seen): Verdict {
  const { observations, fit } = seen;
  const { better, scores, choice } = fit;
  const { loss, chance } = outcomes(seen);
  const told = chance.map((nats, row) => nats - loss[row]!);
  const { preference } = intervals(observations.clusters, { preference: real(meanOf(told)) });
  const gates = choice?.gates ?? { readout: null, logit: null, corrected: null };
  const { tau } = scores[better].temperature;
  const experts = scores[better].experts.overall;
  const { candidates } = observations;
  return judge({
    better,
    gates,
    choice: candidates && controlReport(candidates, { better, tau, experts, gates }),
    preference: reportFigure(preference[0]!),
  });
}

function tableOf({ observations, fit }: Seen): Observations['readout'] {
  return observations[fit.better];
}

function wrongScores(seen: Seen, kind: string): Float64Array {
  const { groups, negatives } = tableOf(seen);
  return kind === 'swap' ? swapScores(groups) : negatives.get(kind)!;
}

function outcomes(seen: Seen): ReturnType<typeof infonceRows> {
  const { better, scores } = seen.fit;
  return infonceRows(tableOf(seen).groups, scores[better].temperature.tau);
}

function calibrationError(seen: Seen): WeightedValues {
  const { confidence, correct } = outcomes(seen);
  return (weights) => [expectedCalibrationError(confidence, correct, weights)];
}

function pickCost({ observations: { candidates: table }, fit }: Seen): WeightedValues | undefined {
  if (table === undefined) return undefined;
  const levels = levelsOf(table.width).length;
  const costs = pickCosts(table, table.scores[fit.better]);
  return meanOf(costs.filter((_, i) => i % levels === levels - 1));
}

/** Of a model without a gate: the policy's own chunk is executed. */
function gatedCost({ observations: { candidates: table }, fit }: Seen): WeightedValues | undefined {
  if (table === undefined) return undefined;
  const gate = fit.choice?.gates[fit.better];
  return meanOf(gate ? applyGate(table, table.scores[fit.better], gate).cost : baselineCosts(table));
}

function correlation({ observations: { candidates: table }, fit }: Seen): WeightedValues | undefined {
  return table && meanOf(rankCorrelations(table.scores[fit.better], table.cost, table.width));
}
