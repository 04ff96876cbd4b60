/** The report by task and by time of the episode: an average hides the task that the model does not know. */
import type { Score } from '../../model/energy.js';
import { applyGate, baselineCosts } from '../choice/fit-gate.js';
import { pickCosts, type CandidateTable } from '../choice/candidate-table.js';
import type { ChoiceFit } from '../choice/choice-schema.js';
import { stepBucket } from '../fit/experts.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { winRates } from '../metrics/auroc.js';
import { expertRanks, infonceRows, rankedWithin } from '../metrics/infonce.js';
import { intervals, real, share, type WeightedValues } from '../metrics/intervals.js';
import { quantile } from '../metrics/order.js';
import { meanOf } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { reportFigure, type ReportFigure } from './figure.js';
import type { Report, Slice } from './report-schema.js';
import type { RowIds } from './structure.js';

/** Most parts that the time of the episode is cut into, and the fewest rows that make one worth having. */
const MOST_PARTS = 5;
const FEWEST_ROWS = 20;

export interface SliceOptions {
  readonly better: Score;
  readonly tau: number;
  readonly gates: ChoiceFit['gates'];
  readonly ids: RowIds;
}

export function sliceReports(observations: Observations, options: SliceOptions): Report['slices'] {
  const { rows } = observations;
  const { task, step } = options.ids;
  const measure = measures(observations, options);
  const of = (name: string, members: Int32Array): Slice =>
    sliceOf(name, members, observations.clusters, measure);
  const tasks = task && [...new Set(Array.from(rows, (row) => task[row]!))].sort((a, b) => a - b);
  return {
    by_task:
      task === undefined || tasks!.length < 2
        ? []
        : tasks!.map((id) =>
            of(
              String(id),
              members(rows, (row) => task[row] === id),
            ),
          ),
    by_time: step === undefined ? [] : timeSlices(rows, step, of),
  };
}

/** Parts of equal share by step, named `0 to 12`. */
function timeSlices(
  rows: Int32Array,
  step: Float64Array,
  of: (name: string, members: Int32Array) => Slice,
): Slice[] {
  const sorted = Float64Array.from(rows, (row) => step[row]!).sort();
  const count = Math.min(MOST_PARTS, Math.floor(rows.length / FEWEST_ROWS));
  const edges = [
    ...new Set(Array.from({ length: Math.max(0, count - 1) }, (_, i) => quantile(sorted, (i + 1) / count))),
  ].filter((edge) => edge < sorted.at(-1)!);
  if (edges.length === 0) return [];
  return [...edges, Infinity].flatMap((_, part) => {
    const own = members(rows, (row) => stepBucket(edges, step[row]!) === part);
    if (own.length === 0) return [];
    const steps = Float64Array.from(own, (at) => step[rows[at]!]!).sort();
    const [from, to] = [steps[0], steps.at(-1)];
    return [of(from === to ? String(from) : `${from} to ${to}`, own)];
  });
}

/** Places in the observations whose data row passes. */
function members(rows: Int32Array, passes: (row: number) => boolean): Int32Array {
  return Int32Array.from(rows.keys()).filter((at) => passes(rows[at]!));
}

interface Measure {
  /** By row, [n]. */
  readonly values: Float64Array;
  readonly isShare?: true;
  /** The interval ends at 0: a logarithm's would be as wide as the world on few rows. */
  readonly isPositive?: true;
}

/** What a slice is measured by, per row [n]; choosing where the data hold candidates. */
function measures(
  observations: Observations,
  { better, tau, gates }: SliceOptions,
): Partial<Record<Exclude<keyof Slice, 'name' | 'rows' | 'clusters'>, Measure>> {
  const { groups } = observations[better];
  const own = ownScores(groups);
  const { candidates } = observations;
  return {
    loss: { values: infonceRows(groups, tau).loss, isPositive: true },
    top1: { values: rankedWithin(expertRanks(groups), 1), isShare: true },
    win_rate: { values: winRates(own, swapScores(groups)), isShare: true },
    energy: { values: own },
    ...(candidates && choosing(candidates, better, gates)),
  };
}

function choosing(
  table: CandidateTable,
  better: Score,
  gates: ChoiceFit['gates'],
): Partial<Record<'over_random' | 'over_first' | 'coverage' | 'harm', Measure>> {
  const picked = pickCosts(table, table.scores[better]);
  const levels = picked.length / table.rows;
  const pick = Float64Array.from({ length: table.rows }, (_, row) => picked[(row + 1) * levels - 1]!);
  const first = baselineCosts(table);
  const random = first.map((_, row) => {
    const costs = table.cost.subarray(row * table.width, (row + 1) * table.width);
    return costs.reduce((sum, cost) => sum + cost, 0) / table.width;
  });
  const gate = gates[better];
  const gated = gate && applyGate(table, table.scores[better], gate);
  return {
    over_random: { values: random.map((cost, row) => cost - pick[row]!) },
    over_first: { values: first.map((cost, row) => cost - pick[row]!) },
    ...(gated && {
      coverage: { values: gated.chosen, isShare: true },
      harm: { values: gated.harm, isShare: true },
    }),
  };
}

function sliceOf(
  name: string,
  rows: Int32Array,
  clusters: Int32Array,
  measure: ReturnType<typeof measures>,
): Slice {
  const own = rows.map((row) => clusters[row]!);
  const figure = (key: keyof typeof measure): ReportFigure | null => {
    const taken = measure[key];
    if (taken === undefined) return null;
    const values = Float64Array.from(rows, (row) => taken.values[row]!);
    const mean: WeightedValues = meanOf(values);
    const { value, low, high } = intervals(own, { figure: taken.isShare ? share(mean) : real(mean) })
      .figure[0]!;
    return reportFigure({ value, low: taken.isPositive ? Math.max(0, low) : low, high });
  };
  return {
    name,
    rows: rows.length,
    clusters: new Set(own).size,
    loss: figure('loss')!,
    top1: figure('top1')!,
    win_rate: figure('win_rate')!,
    energy: figure('energy')!,
    over_random: figure('over_random'),
    over_first: figure('over_first'),
    coverage: figure('coverage'),
    harm: figure('harm'),
  };
}
