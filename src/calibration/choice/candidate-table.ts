/**
 * What choosing among a policy's own samples would have cost: rows of one context with N candidates each, the cost of each
 * (lower is better), and each one's scores. Candidate 0 is the policy's first, the baseline.
 *
 * With n of the N candidates at hand, every n-subset equally likely, the cost of the lowest-scored has a closed form: sorted by
 * score, candidate k is the lowest of a random n-subset with probability C(N-1-k, n-1) / C(N, n). So the curve over n needs
 * no resampling, and all rules are compared on the same subsets.
 */
import type { Score } from '../../model/energy.js';
import type { Rule } from '../../selection/rules.js';

/** Readout and logit are energies; `corrected` is E/tau - log p(a), see density.ts. All: lower is better. */
export type ChoiceScore = Score | 'corrected';

export interface CandidateTable {
  readonly rows: number; // n
  readonly width: number; // N
  /** Episode and task of each row, [n]. */
  readonly clusters: Int32Array;
  readonly tasks: Float64Array | undefined;
  /** [n, N] row-major, lower is better. */
  readonly cost: Float64Array;
  /** Given in the data, or the root mean square distance to the expert's chunk in action units, which stands in for it. */
  readonly costKind: 'given' | 'distance_to_expert';
  /** [n, N]. */
  readonly scores: Readonly<Record<Score, Float64Array>>;
  /** log density of each candidate among experts' chunks, [n, N]; undefined without one. */
  readonly logDensity: Float64Array | undefined;
  /** Cost of each rule's pick at each of `levelsOf(N)`, [n, levels]; NaN where it is not known (an average's given cost). */
  readonly rules: ReadonlyMap<`${Score}/${Rule}`, Float64Array>;
}

/** Numbers of candidates that are looked at: 1, 2, 4, ... and N. */
export function levelsOf(width: number): number[] {
  const levels: number[] = [];
  for (let n = 1; n < width; n *= 2) levels.push(n);
  return [...levels, width];
}

/** Probability that the k-th lowest of `total` is the lowest of a random subset of `chosen`, [total]. */
export function lowestOfSubset(total: number, chosen: number): Float64Array {
  const weights = new Float64Array(total);
  let weight = chosen / total; // C(total-1, chosen-1) / C(total, chosen)
  for (let k = 0; k <= total - chosen; k++) {
    weights[k] = weight;
    weight *= (total - chosen - k) / (total - 1 - k);
  }
  return weights;
}

/** One row's candidates in the order of a score. */
export interface Ordered {
  /** Ascending. */
  readonly scores: Float64Array;
  /** Cost in that order; the members of a tie carry its mean, since chance picks among them. */
  readonly costs: Float64Array;
}

export function ordered(scores: Float64Array, costs: Float64Array): Ordered {
  const order = Int32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  const sorted = Float64Array.from(order, (i) => scores[i]!);
  const inOrder = Float64Array.from(order, (i) => costs[i]!);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && sorted[end] === sorted[start]) end++;
    if (end > start + 1) {
      const mean = inOrder.subarray(start, end).reduce((sum, cost) => sum + cost, 0) / (end - start);
      inOrder.fill(mean, start, end);
    }
    start = end;
  }
  return { scores: sorted, costs: inOrder };
}

/** Expected cost of the lowest-scored of a random subset at each level, for each row: [n, levels]. */
export function pickCosts(
  { rows, width, cost }: Pick<CandidateTable, 'rows' | 'width' | 'cost'>,
  scores: Float64Array,
): Float64Array {
  const levels = levelsOf(width).map((n) => lowestOfSubset(width, n));
  const out = new Float64Array(rows * levels.length);
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * width, (row + 1) * width];
    const { costs } = ordered(scores.subarray(from, to), cost.subarray(from, to));
    levels.forEach((weights, level) => {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += weights[k]! * costs[k]!;
      out[row * levels.length + level] = sum;
    });
  }
  return out;
}

/** `corrected` = E/tau - log p(a), in nats, [n, N]; undefined without a density. */
export function scoresOf(
  { scores, logDensity }: Pick<CandidateTable, 'scores' | 'logDensity'>,
  score: ChoiceScore,
  better: Score,
  tau: number,
): Float64Array | undefined {
  if (score !== 'corrected') return scores[score];
  return logDensity && corrected(scores[better], logDensity, tau);
}

/** E/tau - log p(a), in nats; lower is better. */
export function corrected(energies: Float64Array, logDensity: Float64Array, tau: number): Float64Array {
  return energies.map((energy, i) => energy / tau - logDensity[i]!);
}
