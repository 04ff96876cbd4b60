/**
 * The gate: the pick takes the policy's own chunk's place only when its score lies at least a margin below. The margin is
 * chosen by learn-then-test (Angelopoulos, Bates, Candes, Jordan and Lei 2021): with probability 1 - delta over the
 * calibration's episodes,
 *   P(executed, and worse than the policy's own by cost) <= alpha,
 * overall and in every task with enough rows to show it. Margins are tested from the largest down and the first that fails
 * ends the sequence, so their number costs nothing; the numbers of candidates n share delta (Bonferroni). The test of a margin
 * is Clopper and Pearson's upper bound at the effective number of rows: rows of one episode count by the design effect of
 * harm without a gate, which is where enough of it is seen to measure. More candidates find more mistakes of a verifier, so
 * the number that may be looked at is part of the gate.
 */
import { betaCdf } from '../metrics/distributions.js';
import { levelsOf, lowestOfSubset, type CandidateTable } from './candidate-table.js';

export interface GateOptions {
  /** Most harm: the share of ticks whose executed pick is worse than the policy's own chunk. */
  readonly alpha: number;
  /** Chance that the bound does not hold after all. */
  readonly delta: number;
}

export const GATE_DEFAULTS: GateOptions = { alpha: 0.05, delta: 0.05 };

export interface FittedGate extends GateOptions {
  /** score[0] - min(score) at least this: the pick may be executed. */
  readonly margin: number;
  /** Of more candidates only the policy's own and the first others up to this many are looked at. */
  readonly candidates: number;
  /** Whether the bound holds with a margin of 0: every pick may be executed. */
  readonly open: boolean;
  /** Tasks with too few rows for a bound of their own. */
  readonly uncertifiedTasks: readonly number[];
}

/** By row, [n] each: probabilities and expectations over the subsets of n candidates that hold candidate 0. */
export interface Gated {
  /** The pick is executed. */
  readonly chosen: Float64Array;
  /** It is executed and worse than candidate 0. */
  readonly harm: Float64Array;
  /** Cost of what is executed. */
  readonly cost: Float64Array;
}

/** Margins that are tried, besides 0. */
const MARGINS = 60;

/** What a gate does on a table. `scores` [n, N]; at most `candidates` of each row are looked at. */
export function applyGate(
  table: Pick<CandidateTable, 'rows' | 'width' | 'cost'>,
  scores: Float64Array,
  gate: Pick<FittedGate, 'margin' | 'candidates'>,
): Gated {
  return gateSweep(table, scores, gate.candidates, [gate.margin])[0]!;
}

/** The gate with the largest gain among those whose bound is shown; undefined when there is none that gains. */
export function fitGate(
  table: Pick<CandidateTable, 'rows' | 'width' | 'cost' | 'clusters' | 'tasks'>,
  scores: Float64Array,
  { alpha, delta }: GateOptions = GATE_DEFAULTS,
): FittedGate | undefined {
  const levels = levelsOf(table.width).filter((n) => n > 1);
  const groups = harmGroups(table);
  let best: { gate: FittedGate; gain: number } | undefined;
  for (const candidates of levels) {
    const margins = marginGrid(table, scores, candidates);
    const sweep = gateSweep(table, scores, candidates, margins);
    const designs = groups.map(({ rows }) => designEffect(sweep.at(-1)!.harm, table.clusters, rows));
    const overall = designs[0]!;
    const uncertifiedTasks: number[] = [];
    const tested = groups.filter(({ task, rows }, i) => {
      // a task that could not be shown harmless even by a clean record stands under its own record alone
      const shown = i === 0 || refuted(0, rows.length / overall, alpha, delta / levels.length);
      if (!shown) uncertifiedTasks.push(task!);
      return shown;
    });
    for (const [i, margin] of margins.entries()) {
      const { harm, cost } = sweep[i]!;
      const holds = (rows: Int32Array): boolean =>
        refuted(meanOver(harm, rows), rows.length / overall, alpha, delta / levels.length);
      const clean = groups.every(({ rows }) => meanOver(harm, rows) <= alpha);
      if (!clean || !tested.every(({ rows }) => holds(rows))) break;
      const gain = meanOver(baselineCosts(table), groups[0]!.rows) - meanOver(cost, groups[0]!.rows);
      if (!(gain > 0) || (best !== undefined && gain <= best.gain)) continue;
      const open = margin === 0;
      best = { gate: { margin, candidates, open, uncertifiedTasks, alpha, delta }, gain };
    }
  }
  return best?.gate;
}

/** Cost of candidate 0 by row. */
export function baselineCosts({
  rows,
  width,
  cost,
}: Pick<CandidateTable, 'rows' | 'width' | 'cost'>): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) => cost[row * width]!);
}

/** All margins at once; for each row one pass over its candidates in the order of their scores. */
function gateSweep(
  { rows, width, cost }: Pick<CandidateTable, 'rows' | 'width' | 'cost'>,
  scores: Float64Array,
  candidates: number,
  margins: readonly number[],
): Gated[] {
  const others = width - 1;
  const chances = lowestOfSubset(others, Math.min(candidates, width) - 1);
  const results = margins.map(() => ({
    chosen: new Float64Array(rows),
    harm: new Float64Array(rows),
    cost: new Float64Array(rows),
  }));
  for (let row = 0; row < rows; row++) {
    const base = row * width;
    const [ownScore, ownCost] = [scores[base]!, cost[base]!];
    const order = Int32Array.from({ length: others }, (_, i) => i + 1).sort(
      (a, b) => scores[base + a]! - scores[base + b]!,
    );
    for (const [i, margin] of margins.entries()) {
      let [chosen, harm, expected] = [0, 0, 0];
      for (let k = 0; k < others && chances[k]! > 0; k++) {
        const found = ownScore - scores[base + order[k]!]!;
        if (!(found >= margin && found > 0)) break; // sorted: nobody after this one passes either
        const candidateCost = cost[base + order[k]!]!;
        chosen += chances[k]!;
        expected += chances[k]! * candidateCost;
        if (candidateCost > ownCost) harm += chances[k]!;
      }
      const result = results[i]!;
      result.chosen[row] = chosen;
      result.harm[row] = harm;
      result.cost[row] = expected + (1 - chosen) * ownCost;
    }
  }
  return results;
}

/** Largest first, 0 last: quantiles of the margins that picks among `candidates` have, weighted by how often. */
function marginGrid(
  { rows, width }: Pick<CandidateTable, 'rows' | 'width'>,
  scores: Float64Array,
  candidates: number,
): number[] {
  const found: number[] = [];
  for (let row = 0; row < rows; row++) {
    // of the first `candidates`, one subset of many: the grid only has to be near
    let lowest = Infinity;
    for (let i = 1; i < Math.min(candidates, width); i++) lowest = Math.min(lowest, scores[row * width + i]!);
    const margin = scores[row * width]! - lowest;
    if (margin > 0) found.push(margin);
  }
  const sorted = Float64Array.from(found).sort().reverse();
  const grid = Array.from({ length: MARGINS }, (_, i) => sorted[Math.floor((i * sorted.length) / MARGINS)]!);
  return [...new Set(grid.filter((margin) => margin !== undefined)), 0];
}

/** All rows first, then each task's. */
function harmGroups({
  rows,
  tasks,
}: Pick<CandidateTable, 'rows' | 'tasks'>): { task: number | undefined; rows: Int32Array }[] {
  const all = Int32Array.from({ length: rows }, (_, row) => row);
  const ids = tasks === undefined ? [] : [...new Set(tasks)].sort((a, b) => a - b);
  if (ids.length < 2) return [{ task: undefined, rows: all }];
  return [
    { task: undefined, rows: all },
    ...ids.map((task) => ({ task, rows: all.filter((row) => tasks![row] === task) })),
  ];
}

/**
 * How many times more the mean's variance is than that of as many independent 0-or-1 values, from clusters; at least 1.
 * Shrinking values (a probability in place of an event) makes it an overestimate, which is the safe side.
 */
function designEffect(values: Float64Array, clusters: Int32Array, rows: Int32Array): number {
  const mean = meanOver(values, rows);
  const sums = new Map<number, number>();
  for (const row of rows) {
    sums.set(clusters[row]!, (sums.get(clusters[row]!) ?? 0) + values[row]! - mean);
  }
  const count = sums.size;
  if (count < 2 || !(mean > 0 && mean < 1)) return rows.length / Math.max(1, count);
  let squares = 0;
  for (const sum of sums.values()) squares += sum * sum;
  const variance = (count / (count - 1)) * (squares / rows.length ** 2);
  return Math.max(1, (variance * rows.length) / (mean * (1 - mean)));
}

/** Whether "the share is above alpha" is refuted at level delta by `share` among `size` rows: exact, one-sided. */
function refuted(share: number, size: number, alpha: number, delta: number): boolean {
  // P(at most share * size hits | alpha) <= delta
  const hits = share * size;
  return hits < size && 1 - betaCdf(alpha, hits + 1, size - hits) <= delta;
}

function meanOver(values: Float64Array, rows: Int32Array): number {
  let sum = 0;
  for (const row of rows) sum += values[row]!;
  return sum / rows.length;
}
