/**
 * Temperature scaling (Guo et al. 2017) of candidate groups: the tau that minimises the InfoNCE loss. In beta = 1 / tau
 * the loss is convex (linear minus a log-sum-exp of linear functions), so a bracketed Newton search in beta finds the
 * one minimum:  L'(beta) = mean(s_own - <s>),  L''(beta) = mean(Var s), both under softmax(-beta s).
 */
import type { CandidateGroups } from '../metrics/groups.js';

/** What the search met. Only `fitted` is a minimum inside the bounds. */
export type TemperatureStatus =
  | 'fitted'
  /** The expert's chunk is lowest in every row: the loss falls without end as tau shrinks. tau is the lower bound. */
  | 'separable'
  /** The expert's chunk is on average no lower than the others: no tau helps. tau is the upper bound. */
  | 'no_preference'
  /** All scores are equal, or no row has a usable negative: tau is the one given as fallback. */
  | 'constant';

export interface TemperatureFit {
  readonly tau: number;
  readonly status: TemperatureStatus;
  /** Search bounds, in units of the scores. */
  readonly bounds: readonly [low: number, high: number];
}

/** Bounds of tau as multiples of the standard deviation of the scores: beyond them the softmax is one-hot or flat. */
const LOWEST = 1e-3;
const HIGHEST = 1e3;
const ITERATIONS = 100;
/** Relative change of beta at which the search ends. */
const TOLERANCE = 1e-9;
/** Relative distance from a bound that counts as being there. */
const AT_END = 1e-3;

/**
 * `weights` [n] (all 1 by default); `near`, a fit of the same groups under other weights, saves work. Errors: none;
 * degenerate data are named by `status`.
 */
export function fitTemperature(
  groups: CandidateGroups,
  fallback: number,
  weights: Float64Array = new Float64Array(groups.rows).fill(1),
  near?: TemperatureFit,
): TemperatureFit {
  const spread = near === undefined ? scoreDeviation(groups) : near.bounds[0] / LOWEST;
  if (!(spread > 0) || near?.status === 'constant') {
    return { tau: fallback, status: 'constant', bounds: [fallback, fallback] };
  }
  const bounds = [LOWEST * spread, HIGHEST * spread] as const;
  let low = 1 / bounds[1];
  let high = 1 / bounds[0];
  let lastChange = Infinity;
  let beta = near?.status === 'fitted' ? 1 / near.tau : 1 / spread;
  for (let i = 0; i < ITERATIONS; i++) {
    const { first, second } = slope(groups, weights, beta);
    if (first > 0) high = beta;
    else low = beta;
    const newton = beta - first / second;
    // outside the bracket, or not closing in (a flat stretch): halve the bracket in log beta instead
    const closing = newton > low && newton < high && Math.abs(newton - beta) < lastChange / 2;
    const next = closing ? newton : Math.sqrt(low * high);
    const change = Math.abs(next - beta);
    lastChange = closing ? change : Infinity;
    beta = next;
    if (change <= TOLERANCE * beta) break;
  }
  // convex: a search that ran into an end of the bracket has no minimum inside it
  if (beta * bounds[1] < 1 + AT_END) return { tau: bounds[1], status: 'no_preference', bounds };
  if (beta * bounds[0] > 1 - AT_END) return { tau: bounds[0], status: 'separable', bounds };
  return { tau: 1 / beta, status: 'fitted', bounds };
}

/** First and second derivative of the mean loss by beta. */
function slope(
  { rows, width, scores, own, usable }: CandidateGroups,
  weights: Float64Array,
  beta: number,
): { first: number; second: number } {
  let first = 0;
  let second = 0;
  let mass = 0;
  for (let row = 0; row < rows; row++) {
    const weight = weights[row]!;
    if (weight === 0) continue;
    const base = row * width;
    let lowest = Infinity;
    for (let j = 0; j < width; j++) if (usable[base + j]) lowest = Math.min(lowest, scores[base + j]!);
    let total = 0;
    let mean = 0;
    let square = 0;
    for (let j = 0; j < width; j++) {
      if (!usable[base + j]) continue;
      const above = scores[base + j]! - lowest;
      const share = Math.exp(-beta * above);
      total += share;
      mean += share * above;
      square += share * above * above;
    }
    mean /= total;
    first += weight * (scores[base + own[row]!]! - lowest - mean);
    second += weight * (square / total - mean * mean);
    mass += weight;
  }
  return { first: first / mass, second: second / mass };
}

/** Standard deviation of all usable scores within their rows: what the softmax can see. */
function scoreDeviation({ rows, width, scores, usable }: CandidateGroups): number {
  let squares = 0;
  let count = 0;
  for (let row = 0; row < rows; row++) {
    let mean = 0;
    let members = 0;
    for (let at = row * width; at < (row + 1) * width; at++) {
      if (!usable[at]) continue;
      mean += scores[at]!;
      members++;
    }
    mean /= members;
    for (let at = row * width; at < (row + 1) * width; at++) {
      if (usable[at]) squares += (scores[at]! - mean) ** 2;
    }
    count += members;
  }
  return Math.sqrt(squares / count);
}
