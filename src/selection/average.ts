/** The weighted mean of chunks, kept to what a robot can do and to one mode of its policy. */
import type { ActionBatch } from '../model/actions.js';
import { chunkOf, type ActionTraits, type Metric } from './candidates.js';
import { medoid, type Distances } from './distances.js';
import type { Modes } from './modes.js';

/** Everything that is known of the samples without a model. */
export interface Samples {
  readonly batch: ActionBatch;
  readonly traits: ActionTraits;
  readonly metric: Metric;
  readonly distances: Distances;
  readonly modes: Modes;
  /** The policy's own choice; wins ties. */
  readonly baseline: number;
}

export interface Average {
  /** [H, A] row-major. */
  readonly chunk: Float32Array;
  /** [N] share of each candidate: sums to 1, 0 outside the mode. */
  readonly weights: Float64Array;
  /** The candidate nearest to `chunk`. */
  readonly nearest: number;
  /** False when `chunk` is a candidate after all. */
  readonly isMean: boolean;
}

/** Sums of the same weights in another order differ by this. */
const ROUNDING = 1e-12;

/**
 * Mean over the mode with the most weight. A two-valued dim takes the side that has the larger weight there. Where the mean
 * lies further from every candidate than neighbours in a mode do from each other (a mode bent around something), the
 * mode's medoid takes its place. A mean lies between its values, so bounds that the candidates keep hold.
 *
 * @param weights [N], not negative, not all 0
 */
export function average(samples: Samples, weights: Float64Array): Average {
  const { batch, distances, modes, baseline } = samples;
  const mode = heaviestMode(samples, weights);
  const members = Int32Array.from(weights.keys()).filter((i) => modes.of[i] === mode && weights[i]! > 0);
  const total = members.reduce((sum, i) => sum + weights[i]!, 0);
  const shares = new Float64Array(weights.length);
  for (const i of members) shares[i] = weights[i]! / total;
  if (members.length > 1) {
    const chunk = meanOf(samples, members, shares);
    const { nearest, distance } = nearestTo(chunk, samples, members);
    if (distance <= modes.reach) return { chunk, weights: shares, nearest, isMean: true };
  }
  const index = medoid(distances, members, baseline);
  return {
    chunk: chunkOf(batch, index),
    weights: oneHot(weights.length, index),
    nearest: index,
    isMean: false,
  };
}

/** [N], all weight on one candidate. */
export function oneHot(candidates: number, index: number): Float64Array {
  return new Float64Array(candidates).fill(1, index, index + 1);
}

/** Of modes with equal weight the baseline's, else the first. */
function heaviestMode({ modes, baseline }: Samples, weights: Float64Array): number {
  const sums = new Float64Array(modes.count);
  for (const [i, weight] of weights.entries()) sums[modes.of[i]!]! += weight;
  const least = sums.reduce((a, b) => Math.max(a, b)) * (1 - ROUNDING);
  const own = modes.of[baseline]!;
  return sums[own]! >= least ? own : sums.findIndex((sum) => sum >= least);
}

function meanOf(samples: Samples, members: Int32Array, shares: Float64Array): Float32Array {
  const { batch, traits, baseline } = samples;
  const { twoValued, dims } = traits;
  const length = batch.steps * dims;
  const out = new Float32Array(length);
  mix(batch, members, shares, 0, 1, out);
  if (twoValued === undefined) return out;
  for (let k = twoValued.dim; k < length; k += dims) {
    const isAbove = (i: number): boolean => batch.values[i * length + k]! > twoValued.middle;
    mix(batch, winningSide(members, shares, isAbove, baseline), shares, k, length, out);
  }
  return out;
}

/** Means of the places `first`, `first` + `stride`, ... of a chunk, into `out` [H, A]; between the values that they are of. */
function mix(
  { values }: ActionBatch,
  members: Int32Array,
  shares: Float64Array,
  first: number,
  stride: number,
  out: Float32Array,
): void {
  const length = out.length;
  let weight = 0;
  for (const i of members) weight += shares[i]!;
  for (let k = first; k < length; k += stride) {
    let sum = 0;
    let low = Infinity;
    let high = -Infinity;
    for (const i of members) {
      const value = values[i * length + k]!;
      sum += shares[i]! * value;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    out[k] = Math.min(high, Math.max(low, sum / weight));
  }
}

/** The members on the side with the larger weight; of equals the baseline's side. */
function winningSide(
  members: Int32Array,
  shares: Float64Array,
  isAbove: (i: number) => boolean,
  baseline: number,
): Int32Array {
  let lead = 0;
  for (const i of members) lead += isAbove(i) ? shares[i]! : -shares[i]!;
  const above = Math.abs(lead) < ROUNDING ? isAbove(baseline) : lead > 0;
  return members.filter((i) => isAbove(i) === above);
}

/** In the distance that makes the modes. */
function nearestTo(
  chunk: Float32Array,
  { metric, distances: { points } }: Samples,
  members: Int32Array,
): { nearest: number; distance: number } {
  const middle = metric.coordinates(chunk, 'continuous');
  let [nearest, least] = [members[0]!, Infinity];
  for (const i of members) {
    let square = 0;
    for (let k = 0, at = i * middle.length; k < middle.length; k++)
      square += (middle[k]! - points[at + k]!) ** 2;
    if (square < least) [nearest, least] = [i, square];
  }
  return { nearest, distance: Math.sqrt(least / chunk.length) };
}
