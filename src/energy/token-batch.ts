/**
 * Contexts of several lengths as one rectangle: the visible tokens of each moved together, the rows behind them zeros and
 * masked. Masked tokens cannot change a result, so the rectangle is as long as the longest context that is left.
 */
import { invalid } from '../errors.js';
import { visibleCount, type TokenDType, type Ranges } from '../model/context.js';
import { BYTES_PER_ELEMENT } from '../tensor/tensor.js';

export interface RaggedContext {
  readonly dtype: TokenDType;
  /** Row-major [S, D]. */
  readonly bytes: Uint8Array;
  readonly visible: Ranges;
}

export interface TokenBatch {
  readonly dtype: TokenDType;
  /** Row-major [B, S, D], S the visible tokens of the longest. */
  readonly bytes: Uint8Array;
  /** [B, S], 1 = ignore. */
  readonly padMask: Uint8Array;
  /** S. */
  readonly tokens: number;
}

/** Errors: contexts of different dtypes, or none. */
export function tokenBatch(contexts: readonly RaggedContext[], width: number): TokenBatch {
  const dtype = contexts[0]?.dtype;
  if (dtype === undefined || contexts.some((context) => context.dtype !== dtype)) {
    throw invalid('hidden.dtype', 'contexts of one batch have one dtype', {
      found: contexts.map((context) => context.dtype).join(', ') || 'no contexts',
    });
  }
  const tokens = Math.max(...contexts.map(({ visible }) => visibleCount(visible)));
  const rowBytes = width * BYTES_PER_ELEMENT[dtype];
  const bytes = new Uint8Array(contexts.length * tokens * rowBytes);
  const padMask = new Uint8Array(contexts.length * tokens).fill(1);
  for (const [index, context] of contexts.entries()) {
    let row = index * tokens;
    for (const [start, end] of context.visible) {
      bytes.set(context.bytes.subarray(start * rowBytes, end * rowBytes), row * rowBytes);
      padMask.fill(0, row, row + end - start);
      row += end - start;
    }
  }
  return { dtype, bytes, padMask, tokens };
}
