/**
 * "Is this energy as low as an expert's?" A conformal p-value (Vovk et al. 2005): with n expert energies set aside,
 *   p(e) = (1 + #{expert >= e}) / (n + 1).
 * For a new expert chunk, exchangeable with those n, P(p <= a) <= a for every a. Small p: fewer than that share of experts
 * had an energy this high.
 */
import { quantile } from '../metrics/order.js';

/** Order statistics of expert energies. */
export interface ExpertSample {
  /** Expert energies behind the sample. */
  readonly n: number;
  /** Some of them, ascending and distinct; all when there are at most `KEPT`. */
  readonly values: readonly number[];
  /** Experts with an energy at least `values[i]`. */
  readonly at_least: readonly number[];
}

/** Samples by time: bucket i holds episode steps in (edges[i-1], edges[i]]. */
export interface ExpertsByStep {
  readonly edges: readonly number[];
  readonly buckets: readonly ExpertSample[];
}

/** Order statistics kept in the file: p-values then differ from the exact ones by at most 1 / KEPT, never downwards. */
const KEPT = 1024;
/** Most buckets of episode time, and the fewest experts that make one worth having. */
const MOST_BUCKETS = 5;
const FEWEST_IN_BUCKET = 50;

export function expertSample(energies: Float64Array): ExpertSample {
  const sorted = energies.slice().sort();
  const n = sorted.length;
  const values: number[] = [];
  const atLeast: number[] = [];
  const kept = Math.min(n, KEPT);
  for (let i = 0; i < kept; i++) {
    const at = kept === 1 ? 0 : Math.round((i * (n - 1)) / (kept - 1));
    const value = sorted[at]!;
    if (values.at(-1) === value) continue;
    values.push(value);
    atLeast.push(n - lowerBound(sorted, value));
  }
  return { n, values, at_least: atLeast };
}

/**
 * Conformal p-value of an energy, in (0, 1]. Between kept order statistics the count is the larger neighbour's; above the
 * highest it is 0.
 */
export function expertPValue({ n, values, at_least }: ExpertSample, energy: number): number {
  const place = lowerBound(values, energy); // first kept value >= energy
  if (values[place] === energy) return (1 + at_least[place]!) / (n + 1);
  if (place === 0) return 1;
  if (place === values.length) return 1 / (n + 1); // the highest expert is always kept
  // nothing thinned out: the count is exact. Otherwise the larger neighbour's, which errs towards "like an expert"
  const count = n <= KEPT ? at_least[place]! : at_least[place - 1]!;
  return (1 + count) / (n + 1);
}

/** Splits experts by episode step into buckets of equal count; undefined when there are too few for two. */
export function expertsByStep(energies: Float64Array, steps: Float64Array): ExpertsByStep | undefined {
  const count = Math.min(MOST_BUCKETS, Math.floor(energies.length / FEWEST_IN_BUCKET));
  if (count < 2) return undefined;
  const sorted = steps.slice().sort();
  const candidates = Array.from({ length: count - 1 }, (_, i) => quantile(sorted, (i + 1) / count));
  const edges = [...new Set(candidates)].filter((edge) => edge < sorted.at(-1)!);
  const members: number[][] = Array.from({ length: edges.length + 1 }, () => []);
  energies.forEach((energy, row) => members[stepBucket(edges, steps[row]!)]!.push(energy));
  if (members.length < 2 || members.some((list) => list.length < FEWEST_IN_BUCKET)) return undefined;
  return { edges, buckets: members.map((list) => expertSample(Float64Array.from(list))) };
}

/** Index of the bucket that holds an episode step. */
export function stepBucket(edges: readonly number[], step: number): number {
  const bucket = edges.findIndex((edge) => step <= edge);
  return bucket < 0 ? edges.length : bucket;
}

/** First index whose value is not below `value`. */
function lowerBound(sorted: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
