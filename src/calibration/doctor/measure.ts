/** Scores of probe inputs, and the yardstick that makes changes of a score comparable between models. */
import type { Engine } from '../../engine/engine.js';
import type { ModelCard } from '../../model/card.js';
import { energiesFromRaw } from '../../model/energy.js';
import type { Ranges } from '../../model/context.js';
import { scoreContexts, type OfflineContext } from '../../offline/score-contexts.js';
import type { ProbeInputs } from './probe.js';

export interface ProbeScores {
  /** [contexts, chunks] row-major: pooled raw values (no readout in between), and energies. */
  readonly logits: Float64Array;
  readonly energies: Float64Array;
  readonly contexts: number;
  readonly chunks: number;
  /** [contexts, chunks, H]. */
  readonly raw: Float32Array;
}

export interface ProbeContext {
  readonly hidden: Float32Array;
  readonly visible: Ranges;
}

/** Every context with every chunk of [N, H, A]. */
export async function scoreProbes(
  engine: Engine,
  card: ModelCard,
  contexts: readonly ProbeContext[],
  chunks: Float32Array,
  { steps, dims }: Pick<ProbeInputs, 'steps' | 'dims'>,
): Promise<ProbeScores> {
  const read = contexts.map(({ hidden, visible }, row): OfflineContext => {
    const bytes = new Uint8Array(hidden.buffer, hidden.byteOffset, hidden.byteLength);
    return { name: `context ${row}`, item: { dtype: 'float32', bytes, visible, move: false } };
  });
  const count = chunks.length / (steps * dims);
  const slots = contexts.map((_, i) => i);
  const [raw] = await scoreContexts(engine, read, [{ slots, actions: chunks, candidates: count, steps }]);
  const { readout, pool } = card;
  return {
    logits: energiesFromRaw(raw!, steps, { readout, pool, score: 'logit' }).energies,
    energies: energiesFromRaw(raw!, steps, { readout, pool, score: 'readout' }).energies,
    contexts: contexts.length,
    chunks: count,
    raw: raw!,
  };
}

/** Root mean square difference of two tables of equal size. */
export function rmsDifference(a: Float64Array, b: Float64Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length);
}

/** Columns `from` to `to` of [contexts, chunks]. */
export function columns(table: Float64Array, width: number, from: number, to: number): Float64Array {
  const rows = table.length / width;
  const out = new Float64Array(rows * (to - from));
  for (let row = 0; row < rows; row++)
    out.set(table.subarray(row * width + from, row * width + to), row * (to - from));
  return out;
}

export interface Spreads {
  /** Standard deviation over chunks, within a context. */
  readonly overChunks: number;
  /** Standard deviation over contexts, for one chunk. */
  readonly overContexts: number;
  /** What is left when the means of rows and columns are taken away: how far a context changes the order of chunks. */
  readonly interaction: number;
  /** Mean magnitude, against which "zero" is judged in float32. */
  readonly magnitude: number;
}

export function spreads(table: Float64Array, width: number): Spreads {
  const rows = table.length / width;
  const rowMeans = new Float64Array(rows);
  const columnMeans = new Float64Array(width);
  table.forEach((value, i) => {
    rowMeans[Math.floor(i / width)]! += value / width;
    columnMeans[i % width]! += value / rows;
  });
  const mean = rowMeans.reduce((sum, value) => sum + value, 0) / rows;
  const rms = (residual: (value: number, row: number, column: number) => number): number =>
    Math.sqrt(
      table.reduce((sum, value, i) => sum + residual(value, Math.floor(i / width), i % width) ** 2, 0) /
        table.length,
    );
  return {
    overChunks: rms((value, row) => value - rowMeans[row]!),
    overContexts: rms((value, _, column) => value - columnMeans[column]!),
    interaction: rms((value, row, column) => value - rowMeans[row]! - columnMeans[column]! + mean),
    magnitude: table.reduce((sum, value) => sum + Math.abs(value), 0) / table.length,
  };
}

/** Below this multiple of the magnitude a difference is float32 rounding, not an effect. */
export const ROUNDING = 2e-6;

/** `0.34 of the spread between chunks` */
export function share(value: number): string {
  return value >= 0.01 || value === 0 ? value.toFixed(2) : value.toExponential(1);
}
