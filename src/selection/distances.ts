/** How far a policy's samples lie apart, and which lies in the middle of some. */
import type { ActionBatch } from '../model/actions.js';
import type { Metric } from './candidates.js';

export interface Distances {
  /** [R] candidates that all N are compared with, ascending: all of them where that is affordable. */
  readonly references: Int32Array;
  /** [N, R] row-major. */
  readonly all: Float64Array;
  /** [N, R]: without the two-valued dim, whose value is voted on and makes no modes. */
  readonly continuous: Float64Array;
  /** [N, L]: what `continuous` is the distance of (`Metric.coordinates`). */
  readonly points: Float64Array;
}

/**
 * Multiply-adds that distances may cost, below 2 ms while the engine runs. Beyond it candidates are compared with evenly spaced
 * ones only: samples of one policy are exchangeable, so a fixed part of them is a random one.
 */
const AFFORDABLE = 2_000_000;
const FEWEST_REFERENCES = 16;
/** Multiply-adds before it yields. */
const PART = 1_000_000;

/** Does work that comes in parts in one go. */
export function inOneGo<T>(work: Generator<undefined, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** Yields between parts of its work, of about a millisecond or two each. */
export function* distancesBetween(
  { values, candidates }: ActionBatch,
  metric: Metric,
): Generator<undefined, Distances> {
  const most = Math.max(FEWEST_REFERENCES, Math.floor((2 * AFFORDABLE) / values.length));
  const width = Math.min(candidates, most);
  const references = Int32Array.from({ length: width }, (_, r) => Math.floor((r * candidates) / width));
  const perCandidate = values.length / candidates;
  const points = metric.coordinates(values, 'continuous');
  const continuous = yield* squaresBetween(points, references, candidates);
  const all = yield* squaresBetween(metric.coordinates(values, 'two_valued'), references, candidates);
  for (let at = 0; at < all.length; at++) {
    all[at] = Math.sqrt((continuous[at]! + all[at]!) / perCandidate);
    continuous[at] = Math.sqrt(continuous[at]! / perCandidate);
  }
  return { references, all, continuous, points };
}

/**
 * Sums of squares of differences, [N, R], of points [N, L]. Differences, not the inner products of their expansion, whose
 * cancellation would part equal samples. Four references at a time: one sum alone would wait for itself at every step.
 */
function* squaresBetween(
  points: Float64Array,
  references: Int32Array,
  candidates: number,
): Generator<undefined, Float64Array> {
  const width = references.length;
  const length = points.length / candidates;
  const complete = width === candidates;
  const out = new Float64Array(candidates * width);
  let done = 0;
  for (let i = 0; i < candidates && length > 0; i++) {
    if (done > PART) {
      yield;
      done = 0;
    }
    done += (complete ? width - i : width) * length;
    // with all of them the lower half is the upper one: column after column of it is copied
    for (let r = 0; complete && r < i; r++) out[i * width + r] = out[r * width + i]!;
    for (let r = complete ? i + 1 : 0; r < width; r += 4) {
      const a = i * length;
      const b = references[r]! * length;
      const c = references[Math.min(r + 1, width - 1)]! * length;
      const d = references[Math.min(r + 2, width - 1)]! * length;
      const e = references[Math.min(r + 3, width - 1)]! * length;
      let ab = 0;
      let ac = 0;
      let ad = 0;
      let ae = 0;
      for (let k = 0; k < length; k++) {
        const value = points[a + k]!;
        const toB = value - points[b + k]!;
        const toC = value - points[c + k]!;
        const toD = value - points[d + k]!;
        const toE = value - points[e + k]!;
        ab += toB * toB;
        ac += toC * toC;
        ad += toD * toD;
        ae += toE * toE;
      }
      const at = i * width + r;
      out[at] = ab;
      if (r + 1 < width) out[at + 1] = ac;
      if (r + 2 < width) out[at + 2] = ad;
      if (r + 3 < width) out[at + 3] = ae;
    }
  }
  return out;
}

/**
 * The candidate among `members` with the least sum of distances to the others (to those that are references, where not all
 * are). Of equals `preferred`, else the first.
 */
export function medoid({ references, all }: Distances, members: Int32Array, preferred: number): number {
  const width = references.length;
  const inside = new Set(members);
  const others = references.map((_, r) => r).filter((r) => inside.has(references[r]!));
  const columns = others.length === 0 ? references.map((_, r) => r) : others;
  let [best, least] = [members[0]!, Infinity];
  for (const i of members) {
    let sum = 0;
    for (const r of columns) sum += all[i * width + r]!;
    if (sum < least || (sum === least && i === preferred)) [best, least] = [i, sum];
  }
  return best;
}
