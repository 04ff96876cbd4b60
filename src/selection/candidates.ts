/** A policy's samples in one state, and how far they lie apart. */
import type { ActionBatch } from '../model/actions.js';
import type { ModelCard } from '../model/card.js';

/** How the dims of an action are to be treated. */
export interface ActionTraits {
  /** A. */
  readonly dims: number;
  /** A dim that takes two values only (a gripper), and the middle between them; undefined: none. */
  readonly twoValued: { readonly dim: number; readonly middle: number } | undefined;
  /** All dims are in one unit, so that distances need no scaling. */
  readonly oneUnit: boolean;
}

export function actionTraits({ actions: { gripper, units }, action_dim: dims }: ModelCard): ActionTraits {
  const twoValued =
    gripper === undefined || gripper.coding === 'continuous'
      ? undefined
      : { dim: gripper.index, middle: gripper.coding === 'zero_one' ? 0.5 : 0 };
  return { dims, twoValued, oneUnit: units === 'normalized_q99' };
}

/** One candidate, [H, A], as a view. */
export function chunkOf({ values, candidates }: ActionBatch, index: number): Float32Array {
  const length = values.length / candidates;
  return values.subarray(index * length, (index + 1) * length);
}

/** Root mean square over steps and dims; the two-valued dim can be left out. */
export class Metric {
  readonly #dims: number;
  readonly #twoValued: number | undefined;
  /** By dim, before squaring. */
  readonly #weights: Float64Array;

  /** Dims of different units are weighed by 1 / standard deviation over candidates and steps; a constant one has no say. */
  constructor({ values }: Pick<ActionBatch, 'values'>, { dims, twoValued, oneUnit }: ActionTraits) {
    this.#dims = dims;
    this.#twoValued = twoValued?.dim;
    this.#weights = new Float64Array(dims).fill(1);
    if (oneUnit) return;
    const count = values.length / dims;
    for (let dim = 0; dim < dims; dim++) {
      let mean = 0;
      for (let k = dim; k < values.length; k += dims) mean += values[k]! / count;
      let variance = 0;
      for (let k = dim; k < values.length; k += dims) variance += (values[k]! - mean) ** 2 / count;
      this.#weights[dim] = variance === 0 ? 0 : 1 / Math.sqrt(variance);
    }
  }

  /** Length of a unit of distance in each dim, [A]; 0: a dim that has no say. */
  get units(): Float64Array {
    return this.#weights.map((weight) => (weight === 0 ? 0 : 1 / weight));
  }

  /** Mean square over `a` and `b`, [H, A] each, of all dims but the two-valued. */
  continuous(a: Float32Array, b: Float32Array): number {
    const dims = this.#dims;
    let sum = 0;
    for (let k = 0, dim = 0; k < a.length; k++) {
      if (dim !== this.#twoValued) {
        const difference = (a[k]! - b[k]!) * this.#weights[dim]!;
        sum += difference * difference;
      }
      if (++dim === dims) dim = 0;
    }
    return sum / a.length;
  }

  /** The same of the two-valued dim alone. */
  twoValued(a: Float32Array, b: Float32Array): number {
    const dim = this.#twoValued;
    if (dim === undefined) return 0;
    let sum = 0;
    for (let k = dim; k < a.length; k += this.#dims) sum += (a[k]! - b[k]!) ** 2;
    return (sum * this.#weights[dim]! ** 2) / a.length;
  }
}

export interface Distances {
  /** [R] candidates that all N are compared with, ascending: all of them where that is affordable. */
  readonly references: Int32Array;
  /** [N, R] row-major. */
  readonly all: Float64Array;
  /** [N, R]: without the two-valued dim, whose value is voted on and makes no modes. */
  readonly continuous: Float64Array;
}

/**
 * Multiply-adds that distances may cost, some 2 ms while the engine runs. Beyond it candidates are compared with evenly spaced
 * ones only: samples of one policy are exchangeable, so a fixed part of them is a random one.
 */
const AFFORDABLE = 2_000_000;
const FEWEST_REFERENCES = 16;

export function distancesBetween(batch: ActionBatch, metric: Metric): Distances {
  const { values, candidates } = batch;
  const most = Math.max(FEWEST_REFERENCES, Math.floor((2 * AFFORDABLE) / values.length));
  const width = Math.min(candidates, most);
  const references = Int32Array.from({ length: width }, (_, r) => Math.floor((r * candidates) / width));
  const chunks = Array.from({ length: candidates }, (_, i) => chunkOf(batch, i));
  const all = new Float64Array(candidates * width);
  const continuous = new Float64Array(candidates * width);
  const complete = width === candidates;
  for (let i = 0; i < candidates; i++) {
    for (let r = complete ? i + 1 : 0; r < width; r++) {
      const [a, b] = [chunks[i]!, chunks[references[r]!]!];
      const square = metric.continuous(a, b);
      const at = i * width + r;
      continuous[at] = Math.sqrt(square);
      all[at] = Math.sqrt(square + metric.twoValued(a, b));
      if (!complete) continue;
      continuous[r * width + i] = continuous[at]!;
      all[r * width + i] = all[at]!;
    }
  }
  return { references, all, continuous };
}

/**
 * The candidate among `members` with the least sum of distances to the others (to those that are references, where not all
 * are). Of equals `preferred`, else the first.
 */
export function medoid({ references, all }: Distances, members: Int32Array, preferred: number): number {
  const width = references.length;
  const inside = new Set(members);
  const others = [...references.keys()].filter((r) => inside.has(references[r]!));
  const columns = others.length === 0 ? [...references.keys()] : others;
  let [best, least] = [members[0]!, Infinity];
  for (const i of members) {
    let sum = 0;
    for (const r of columns) sum += all[i * width + r]!;
    if (sum < least || (sum === least && i === preferred)) [best, least] = [i, sum];
  }
  return best;
}
