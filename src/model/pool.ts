/** Pooling: H per-step values become one, as a weighted sum with weights that depend on the kind and on H alone. */
import { invalid } from '../errors.js';
import type { Pool } from './card.js';

/** Ends of the logits whose softmax weighs the steps when `weighted` names no weights: early steps count more. */
const WEIGHTED_FIRST = 1.0;
const WEIGHTED_LAST = 0.3;

/**
 * Weights [H]. mean: 1/H each; sum: 1 each; first: step 0 alone; weighted: the given ones as they are, or
 * softmax(linspace(1.0, 0.3, H)); discount: gamma^t normalised to sum 1. Errors: given weights of another length than H.
 */
export function poolWeights(pool: Pool, steps: number): Float64Array {
  if (!Number.isInteger(steps) || steps < 1) {
    throw invalid('steps', 'not a chunk length', {
      found: String(steps),
      wanted: 'an integer of at least 1',
    });
  }
  const weights = new Float64Array(steps);
  switch (pool.kind) {
    case 'mean':
      return weights.fill(1 / steps);
    case 'sum':
      return weights.fill(1);
    case 'first':
      weights[0] = 1;
      return weights;
    case 'weighted': {
      if (pool.weights !== undefined) {
        if (pool.weights.length !== steps) {
          throw invalid('pool.weights', 'one weight a step', {
            found: `${pool.weights.length} weights, ${steps} steps`,
            wanted: `${steps} weights`,
          });
        }
        weights.set(pool.weights);
        return weights;
      }
      for (let t = 0; t < steps; t++) {
        const share = steps === 1 ? 0 : t / (steps - 1);
        weights[t] = Math.exp(WEIGHTED_FIRST + share * (WEIGHTED_LAST - WEIGHTED_FIRST));
      }
      return normalised(weights);
    }
    case 'discount':
      for (let t = 0; t < steps; t++) weights[t] = pool.gamma ** t;
      return normalised(weights);
  }
}

function normalised(weights: Float64Array): Float64Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Weighted sums [N] of `values` [N, H] row-major, accumulated in float64. */
export function poolSteps(
  weights: Float64Array,
  values: Float32Array | Float64Array,
  items: number,
  steps: number,
): Float64Array {
  if (weights.length !== steps || values.length !== items * steps) {
    throw invalid('values', 'count does not match items and steps', {
      found: `${values.length} values, ${weights.length} weights`,
      wanted: `${items} * ${steps} values, ${steps} weights`,
    });
  }
  const pooled = new Float64Array(items);
  for (let n = 0; n < items; n++) {
    let sum = 0;
    for (let t = 0; t < steps; t++) {
      // a step that the pool leaves out must not turn an overflow there into NaN
      if (weights[t] !== 0) sum += weights[t]! * values[n * steps + t]!;
    }
    pooled[n] = sum;
  }
  return pooled;
}
