/**
 * A dense tensor as it lies in files and on the wire: dtype, shape, little-endian bytes in row-major order.
 * Everything that crosses a boundary (checkpoints, data files, gRPC messages) is one of these. Below: widening and narrowing
 * between the float formats of files, wire and engine, all exact where the format allows.
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

const scratchF32 = new Float32Array(1);
const scratchU32 = new Uint32Array(scratchF32.buffer);

export function isFloatDType(dtype: Tensor['dtype']): dtype is FloatDType {
  return dtype === 'float64' || dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16';
}

/** IEEE binary16 bits to a number. */
export function float16ToNumber(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Nearest binary16, ties to even. */
export function numberToFloat16(value: number): number {
  scratchF32[0] = value;
  const bits = scratchU32[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65536 and above, infinity
  if (magnitude < 0x38800000) {
    // subnormal: scale so that one unit is the smallest subnormal, round half to even
    const units = Math.abs(scratchF32[0]) * 2 ** 24;
    const floor = Math.floor(units);
    const rest = units - floor;
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** Nearest bfloat16, ties to even; NaN stays NaN. */
export function numberToBfloat16(value: number): number {
  scratchF32[0] = value;
  const bits = scratchU32[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Bytes at the alignment that a typed array of `unit` bytes needs; copied only when misaligned. */
function aligned(bytes: Uint8Array, unit: number): Uint8Array {
  return bytes.byteOffset % unit === 0 ? bytes : new Uint8Array(bytes);
}

/** The 16-bit words of a float16 or bfloat16 tensor; a view when aligned. */
export function words16(bytes: Uint8Array): Uint16Array {
  const source = aligned(bytes, 2);
  return new Uint16Array(source.buffer, source.byteOffset, source.byteLength >>> 1);
}

/** The float32 values of little-endian bytes; a view when aligned. */
export function floats32(bytes: Uint8Array): Float32Array {
  const source = aligned(bytes, 4);
  return new Float32Array(source.buffer, source.byteOffset, source.byteLength >>> 2);
}

/**
 * Values of a float tensor as float32, row-major. float32 may be a view of the tensor's memory; float16 and bfloat16
 * widen exactly; float64 rounds to nearest. Errors: not a float dtype (names `field`).
 */
export function toFloat32(field: string, tensor: Tensor): Float32Array {
  switch (tensor.dtype) {
    case 'float32':
      return floats32(tensor.bytes);
    case 'float64': {
      const source = aligned(tensor.bytes, 8);
      return Float32Array.from(new Float64Array(source.buffer, source.byteOffset, source.byteLength >>> 3));
    }
    case 'bfloat16': {
      const words = words16(tensor.bytes);
      const out = new Uint32Array(words.length);
      for (let i = 0; i < words.length; i++) out[i] = words[i]! << 16;
      return new Float32Array(out.buffer);
    }
    case 'float16': {
      const words = words16(tensor.bytes);
      const out = new Float32Array(words.length);
      for (let i = 0; i < words.length; i++) out[i] = float16ToNumber(words[i]!);
      return out;
    }
    default:
      throw invalid(field, 'not a floating-point tensor', {
        found: tensor.dtype,
        wanted: 'float32, float16, bfloat16 or float64',
      });
  }
}

/** Rounds float32 values (row-major, `elementCount(shape)` of them) to a float dtype, ties to even. */
export function fromFloat32(dtype: FloatDType, shape: readonly number[], values: Float32Array): Tensor {
  if (values.length !== elementCount(shape)) {
    throw invalid('values', 'count does not match shape', {
      found: String(values.length),
      wanted: String(elementCount(shape)),
    });
  }
  const bytesOf = (array: ArrayBufferView): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  switch (dtype) {
    case 'float32':
      return { dtype, shape, bytes: bytesOf(values) };
    case 'float64':
      return { dtype, shape, bytes: bytesOf(Float64Array.from(values)) };
    case 'bfloat16':
      return { dtype, shape, bytes: bytesOf(Uint16Array.from(values, numberToBfloat16)) };
    case 'float16':
      return { dtype, shape, bytes: bytesOf(Uint16Array.from(values, numberToFloat16)) };
  }
}
