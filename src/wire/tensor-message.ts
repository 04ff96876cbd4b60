/** Tensor messages to tensors and back. Nothing is copied: a decoded tensor is a view of the message's memory. */
import { invalid } from '../errors.js';
import type { Tensor as TensorMessage, Tensor__Output } from '../generated/action_energy/v1/Tensor.js';
import { formatShape, makeTensor, type DType, type Tensor } from '../tensor/tensor.js';

/** More axes than any field wants; bounds what a lying message can make the error text hold. */
const MAX_AXES = 8;

const DTYPES = { FLOAT32: 'float32', FLOAT16: 'float16', BFLOAT16: 'bfloat16', BOOL: 'bool' } as const;
type WireDType = (typeof DTYPES)[keyof typeof DTYPES];
export type WireFloatDType = Exclude<WireDType, 'bool'>;
/** A tensor whose dtype the wire can carry. */
export type WireTensor = Tensor & { readonly dtype: WireDType };

const FLOATS: readonly DType[] = ['float32', 'float16', 'bfloat16'];

/**
 * Decodes and checks one tensor. `wanted` is the meaning of its axes, e.g. `[N, H, A]`, for the error text.
 * Errors name `field`: absent, unknown dtype, too many axes, bytes that do not match shape and dtype.
 */
export function decodeTensor(
  field: string,
  message: Tensor__Output | null | undefined,
  wanted: string,
): WireTensor {
  if (message === null || message === undefined) {
    throw invalid(field, 'missing', { found: 'nothing', wanted: `a tensor ${wanted}` });
  }
  if (!Object.hasOwn(DTYPES, message.dtype)) {
    throw invalid(`${field}.dtype`, 'unknown dtype', {
      found: String(message.dtype),
      wanted: 'FLOAT32, FLOAT16 or BFLOAT16 (BOOL for masks)',
    });
  }
  const dtype = DTYPES[message.dtype as keyof typeof DTYPES];
  if (message.shape.length > MAX_AXES) {
    throw invalid(`${field}.shape`, 'too many axes', { found: `${message.shape.length} axes`, wanted });
  }
  return { ...makeTensor(field, dtype, message.shape, message.data), dtype };
}

/** The same for numbers: refuses BOOL. */
export function decodeFloatTensor(
  field: string,
  message: Tensor__Output | null | undefined,
  wanted: string,
): WireTensor & { readonly dtype: WireFloatDType } {
  const tensor = decodeTensor(field, message, wanted);
  if (!isFloat(tensor)) {
    throw invalid(`${field}.dtype`, 'not numbers', { found: 'BOOL', wanted: 'FLOAT32, FLOAT16 or BFLOAT16' });
  }
  return tensor;
}

function isFloat(tensor: WireTensor): tensor is WireTensor & { readonly dtype: WireFloatDType } {
  return FLOATS.includes(tensor.dtype);
}

/** Wrong number of axes or a wrong size, in the words of the contract. */
export function wrongShape(field: string, shape: readonly number[], wanted: string): Error {
  return invalid(`${field}.shape`, 'wrong shape', { found: formatShape(shape), wanted });
}

/** A FLOAT32 message over the memory of `values` (row-major, not copied; this machine is little-endian). */
export function encodeFloat32(shape: readonly number[], values: Float32Array): TensorMessage {
  return {
    dtype: 'FLOAT32',
    shape: [...shape],
    data: Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  };
}
