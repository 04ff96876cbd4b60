/**
 * From raw per-step values to energies, ranking and probabilities. The one place where readout and pooling are done; the
 * engine returns raw steps, whoever asks chooses.
 */
import { invalid } from '../errors.js';
import type { Pool } from './card.js';
import { applyReadout, type Readout } from './readout.js';

/** `readout`: pool of readout(r), the model's energy. `logit`: pool of r itself, which keeps its spread where the sigmoid saturates. */
export type Score = 'readout' | 'logit';

export interface EnergyOptions {
  readonly readout: Readout;
  readonly pool: Pool;
  readonly score: Score;
}

export interface Energies {
  /** [N]; lower fits better. */
  readonly energies: Float64Array;
  /** [N, H] row-major, before pooling, after the readout (`logit`: r). */
  readonly steps: Float64Array;
}

/**
 * Energies of N items; a matrix is N = rows * columns. Errors: stage `energy` with the index of the first item whose
 * result is not finite.
 *
 * @param raw [N, H] row-major, r of the prediction head
 * @param steps H
 */
export function energiesFromRaw(
  raw: Float32Array | Float64Array,
  steps: number,
  { readout, pool, score }: EnergyOptions,
): Energies {
  const items = raw.length / steps;
  if (!Number.isInteger(items)) {
    throw invalid('raw_steps', 'not whole chunks', {
      found: `${raw.length} values`,
      wanted: `a multiple of ${steps}`,
    });
  }
  const stepValues = score === 'logit' ? Float64Array.from(raw) : applyReadout(readout, raw);
  const energies = poolSteps(pool, stepValues, items, steps);
  for (let i = 0; i < items; i++) {
    if (Number.isFinite(energies[i])) continue;
    throw invalid(`energy[${i}]`, 'non-finite energy', {
      found: String(energies[i]),
      wanted: 'a finite value',
    });
  }
  return { energies, steps: stepValues };
}

/** Item indices by ascending energy, [N]; equal energies keep their order. Errors: NaN, which has no place in an order. */
export function rank(energies: Float64Array): Int32Array {
  const nan = energies.findIndex(Number.isNaN);
  if (nan >= 0) throw invalid(`energy[${nan}]`, 'cannot be ranked', { found: 'NaN' });
  return Int32Array.from(energies.keys()).sort((a, b) => {
    const difference = energies[a]! - energies[b]!;
    return difference < 0 ? -1 : difference > 0 ? 1 : a - b;
  });
}

/** softmax(-E / tau), [N], shifted by the lowest energy so that nothing overflows. Errors: tau not positive. */
export function probabilities(energies: Float64Array, tau: number): Float64Array {
  if (!(tau > 0) || !Number.isFinite(tau)) {
    throw invalid('tau', 'not a temperature', { found: String(tau), wanted: 'a positive number' });
  }
  let lowest = Infinity;
  for (const energy of energies) lowest = Math.min(lowest, energy);
  const weights = energies.map((energy) => Math.exp((lowest - energy) / tau));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** A pool that is a weighted sum. */
export type LinearPool = Exclude<Pool, { kind: 'windowed_max' }>;

/** Ends of the logits whose softmax weighs the steps when `weighted` names no weights: early steps count more. */
const WEIGHTED_FIRST = 1.0;
const WEIGHTED_LAST = 0.3;

/**
 * Weights [H]. mean: 1/H each; sum: 1 each; first: step 0 alone; weighted: the given ones as they are, or
 * softmax(linspace(1.0, 0.3, H)); discount: gamma^t normalised to sum 1. Errors: given weights of another length than H.
 */
export function poolWeights(pool: LinearPool, steps: number): Float64Array {
  checkSteps(steps);
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

function checkSteps(steps: number): void {
  if (Number.isInteger(steps) && steps >= 1) return;
  throw invalid('steps', 'not a chunk length', { found: String(steps), wanted: 'an integer of at least 1' });
}

/** Softmax of the logits that training learns, [H]. */
export function learnedWeights(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const highest = Math.max(...values);
  return [...normalised(Float64Array.from(values, (logit) => Math.exp(logit - highest)))];
}

function normalised(weights: Float64Array): Float64Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Pooled [N] of `values` [N, H] row-major, accumulated in float64. Errors: a pool that chunks of H steps do not have. */
export function poolSteps(
  pool: Pool,
  values: Float32Array | Float64Array,
  items: number,
  steps: number,
): Float64Array {
  if (values.length !== items * steps) {
    throw invalid('values', 'count does not match items and steps', {
      found: `${values.length} values`,
      wanted: `${items} * ${steps} values`,
    });
  }
  if (pool.kind === 'windowed_max') return highestWindows(pool.window, values, items, steps);
  const weights = poolWeights(pool, steps);
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

/**
 * max over t of the mean of the steps t to t + window - 1. Each sum is the end of one block of `window` steps and the beginning of
 * the next (M. van Herk, Pattern Recognition Letters 13, 1992), so that a long window costs no more than a short one.
 */
function highestWindows(
  window: number,
  values: Float32Array | Float64Array,
  items: number,
  steps: number,
): Float64Array {
  checkWindow(window, steps);
  const pooled = new Float64Array(items).fill(-Infinity);
  const toBlockEnd = new Float64Array(steps);
  for (let n = 0; n < items; n++) {
    const from = n * steps;
    for (let t = steps - 1; t >= 0; t--) {
      const isLast = (t + 1) % window === 0 || t + 1 === steps;
      toBlockEnd[t] = values[from + t]! + (isLast ? 0 : toBlockEnd[t + 1]!);
    }
    let fromBlockStart = 0;
    for (let t = 0; t < steps; t++) {
      fromBlockStart = values[from + t]! + (t % window === 0 ? 0 : fromBlockStart);
      const start = t + 1 - window;
      if (start < 0) continue;
      const sum = start % window === 0 ? fromBlockStart : toBlockEnd[start]! + fromBlockStart;
      pooled[n] = Math.max(pooled[n]!, sum / window);
    }
  }
  return pooled;
}

export function checkWindow(window: number, steps: number, field = 'pool.window'): void {
  if (Number.isInteger(window) && window >= 1 && window <= steps) return;
  throw invalid(field, 'not a window of the steps of a chunk', {
    found: `${window}, ${steps} steps`,
    wanted: `1 to ${steps}`,
  });
}
