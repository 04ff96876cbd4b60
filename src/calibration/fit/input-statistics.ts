/**
 * What a model is shown, in numbers that need no model, of the rows that a calibration was fitted on. Two of them, since they ask
 * different things. Percentiles of single hidden numbers, so that clients know before they send them states of another layer, before
 * or after a norm, scaled, or bytes under a wrong label: those are confident energies with status OK otherwise. And how three numbers
 * of each row lay, so that the server sees whether what comes in has changed since (`quality/input-drift.ts`), whatever the energies
 * say.
 */
import { z } from 'zod';
import type { EncodeItem } from '../../engine/engine.js';
import type { ModelCard } from '../../model/card.js';
import { visibleCount } from '../../model/context.js';
import { BYTES_PER_ELEMENT, toFloat32 } from '../../tensor/tensor.js';
import { engineContext, type CalibrationData } from '../data/calibration-data.js';
import { binShares, driftReference, type DriftReference } from '../metrics/drift.js';
import { quantile } from '../metrics/order.js';

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

/** Row of the i-th visible token. */
function rowOf(visible: Context['visible'], i: number): number {
  let left = i;
  for (const [start, end] of visible) {
    if (left < end - start) return start + left;
    left -= end - start;
  }
  return 0;
}

const octave = z.number();
export const inputsSchema = z.strictObject({
  /** log2|x| over the numbers of visible tokens that are not 0, at their 5th, 50th and 95th percentile. */
  hidden_octaves: z
    .tuple([octave, octave, octave])
    .refine(([low, middle, high]) => low <= middle && middle <= high, 'percentiles do not ascend'),
});
export type Inputs = z.infer<typeof inputsSchema>;

const LEVELS = [0.05, 0.5, 0.95] as const;
/** Rows and tokens of each that are looked at: contexts are read again for it, and percentiles want no more. */
const ROWS = 32;
const TOKENS = 4;
/** Numbers below which percentiles say nothing; the client wants as many. */
const FEWEST = 256;

/** Of `rows` of the data. Undefined: too few numbers. Errors: a row that does not fit the model. */
export async function inputStatistics(
  data: CalibrationData,
  rows: Int32Array,
  card: ModelCard,
): Promise<Inputs | undefined> {
  const octaves: number[] = [];
  for (const row of evenly([...rows], ROWS)) {
    const { name, item } = await engineContext(data, row, card);
    const { dtype, bytes, visible } = item;
    const tokens = visible.flatMap(([start, end]) =>
      Array.from({ length: end - start }, (_, i) => start + i),
    );
    const rowBytes = card.state_dim * BYTES_PER_ELEMENT[dtype];
    for (const token of evenly(tokens, TOKENS)) {
      const own = bytes.slice(token * rowBytes, (token + 1) * rowBytes);
      for (const value of toFloat32(name, { dtype, shape: [card.state_dim], bytes: own })) {
        if (value !== 0 && Number.isFinite(value)) octaves.push(Math.log2(Math.abs(value)));
      }
    }
  }
  if (octaves.length < FEWEST) return undefined;
  const sorted = Float64Array.from(octaves).sort();
  const [low, middle, high] = LEVELS.map((level) => quantile(sorted, level));
  return { hidden_octaves: [low!, middle!, high!] };
}

/** At most `count` of them, the first and the last among these. */
function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}
