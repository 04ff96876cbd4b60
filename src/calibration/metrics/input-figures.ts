/**
 * What a model is shown, as three numbers that need no model: has what comes in changed since the calibration, whatever the
 * energies say? Calibration keeps how its experts' rows lay, live traffic is compared with that (`quality/input-drift.ts`).
 */
import type { EncodeItem } from '../../engine/engine.js';
import { BYTES_PER_ELEMENT, toFloat32 } from '../../tensor/tensor.js';
import { binShares, driftReference, type DriftReference } from './drift.js';

/**
 * `token_norm`: mean L2 norm of visible tokens. `masked_share`: of the tokens that were sent, 0 to 1. `action_range`: largest
 * magnitude in the chunk, in action units.
 */
export const INPUTS = ['token_norm', 'masked_share', 'action_range'] as const;
export type Input = (typeof INPUTS)[number];

export interface InputReference extends DriftReference {
  readonly mean: number;
}

/** Tokens looked at of a context, evenly spaced: 8 of D 4096 cost some 0.05 ms. */
const LOOKED_TOKENS = 8;
/** How far beyond the outermost values of the reference a value is no longer one of them. */
const BEYOND = 1e-6;

type Context = Pick<EncodeItem, 'dtype' | 'bytes' | 'visible'>;

/** `stateDim` is D. NaN or infinite where a token is. */
export function tokenNorm({ dtype, bytes, visible }: Context, stateDim: number): number {
  const count = visibleCount(visible);
  const looked = Math.min(count, LOOKED_TOKENS);
  const rowBytes = stateDim * BYTES_PER_ELEMENT[dtype];
  let sum = 0;
  for (let i = 0; i < looked; i++) {
    const start = rowOf(visible, Math.floor((i * count) / looked)) * rowBytes;
    const tensor = { dtype, shape: [stateDim], bytes: bytes.subarray(start, start + rowBytes) };
    let squares = 0;
    for (const value of toFloat32('hidden', tensor)) squares += value * value;
    sum += Math.sqrt(squares);
  }
  return sum / looked;
}

export function maskedShare({ dtype, bytes, visible }: Context, stateDim: number): number {
  return 1 - visibleCount(visible) / (bytes.byteLength / (stateDim * BYTES_PER_ELEMENT[dtype]));
}

/** `chunk` [H, A]; `units` [A], absent: 1 each. */
export function actionRange(chunk: Float32Array, dims: number, units?: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < chunk.length; i++) {
    most = Math.max(most, Math.abs(chunk[i]!) / (units?.[i % dims] ?? 1));
  }
  return most;
}

/**
 * Deciles, and a bin on either side for what lies outside all `values`: of n alike, the next does so once in n + 1 times on each.
 * Without those, an input that never varied would have one bin, and nothing would be a drift.
 */
export function inputReference(values: Float64Array): InputReference {
  const n = values.length;
  const { edges, shares } = driftReference(values);
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const beyond = (value: number): number => BEYOND * Math.max(1, Math.abs(value));
  const inner = edges.filter((edge) => edge < high);
  const within = inner.length === edges.length ? shares : binShares(inner, values);
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / n,
    edges: [low - beyond(low), ...inner, high + beyond(high)],
    shares: [1 / (n + 1), ...within.map((share) => (share * (n - 1)) / (n + 1)), 1 / (n + 1)],
  };
}

function visibleCount(visible: Context['visible']): number {
  return visible.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** Row of the i-th visible token. */
function rowOf(visible: Context['visible'], i: number): number {
  let left = i;
  for (const [start, end] of visible) {
    if (left < end - start) return start + left;
    left -= end - start;
  }
  return 0;
}
