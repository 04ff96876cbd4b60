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

/** Root mean square over steps and dims, each in its unit; the two-valued dim can be left out. */
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

  /**
   * Of values [..., A] those of the two-valued dim, or of all others, in units of distance: the mean square over steps and dims
   * is a sum of squares of differences by H A.
   */
  coordinates(values: Float32Array, part: 'continuous' | 'two_valued'): Float64Array {
    const dims = this.#dims;
    const wanted = [...this.#weights.keys()].filter(
      (dim) => (dim === this.#twoValued) === (part === 'two_valued'),
    );
    const out = new Float64Array((values.length / dims) * wanted.length);
    for (let row = 0, at = 0; row < values.length; row += dims) {
      for (const dim of wanted) out[at++] = values[row + dim]! * this.#weights[dim]!;
    }
    return out;
  }
}
