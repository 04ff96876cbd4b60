/**
 * A dense tensor as it lies in files and on the wire: dtype, shape, little-endian bytes in row-major order.
 * Everything that crosses a boundary (checkpoints, data files, gRPC messages) is one of these.
 */
import { invalid } from '../errors.js';

export const BYTES_PER_ELEMENT = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const;

export type DType = keyof typeof BYTES_PER_ELEMENT;
export type FloatDType = 'float64' | 'float32' | 'float16' | 'bfloat16';

export interface Tensor {
  readonly dtype: DType;
  /** Row-major; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Exactly `elementCount(shape) * BYTES_PER_ELEMENT[dtype]` bytes, little-endian; any alignment. */
  readonly bytes: Uint8Array;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function byteLength(dtype: DType, shape: readonly number[]): number {
  return elementCount(shape) * BYTES_PER_ELEMENT[dtype];
}

export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/**
 * Checks and wraps. Errors name `field`: a shape with a negative, fractional or unsafe size, or bytes whose length
 * does not match.
 */
export function makeTensor(field: string, dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  for (const [axis, size] of shape.entries()) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw invalid(`${field}.shape[${axis}]`, 'not a size', {
        found: String(size),
        wanted: 'an integer of at least 0',
      });
    }
  }
  const wanted = byteLength(dtype, shape);
  if (!Number.isSafeInteger(wanted) || bytes.byteLength !== wanted) {
    throw invalid(field, 'byte length does not match shape and dtype', {
      found: `${bytes.byteLength} bytes`,
      wanted: `${wanted} bytes for ${dtype} ${formatShape(shape)}`,
    });
  }
  return { dtype, shape, bytes };
}

/** A float32 tensor over the memory of `values` (not copied). */
export function float32Tensor(shape: readonly number[], values: Float32Array): Tensor {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return makeTensor('values', 'float32', shape, bytes);
}
