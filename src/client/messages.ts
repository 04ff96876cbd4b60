/** Tensors to messages. Nothing is copied: a message is a view of the tensor's memory until it is serialised. */
import { invalid } from '../errors.js';
import type { InlineContext } from '../generated/action_energy/v1/InlineContext.js';
import type { Tensor as TensorMessage } from '../generated/action_energy/v1/Tensor.js';
import type { DType, Tensor } from '../tensor/tensor.js';

const WIRE_DTYPES: Partial<Record<DType, NonNullable<TensorMessage['dtype']>>> = {
  float32: 'FLOAT32',
  float16: 'FLOAT16',
  bfloat16: 'BFLOAT16',
  bool: 'BOOL',
};

/** Errors: a dtype that the wire does not have; names `field`. */
export function tensorMessage(field: string, { dtype, shape, bytes }: Tensor): TensorMessage {
  const wire = WIRE_DTYPES[dtype];
  if (wire === undefined) {
    throw invalid(`${field}.dtype`, 'has no place on the wire', {
      found: dtype,
      wanted: Object.keys(WIRE_DTYPES).join(', '),
    });
  }
  return {
    dtype: wire,
    shape: [...shape],
    data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  };
}

/** A context [S, D] with its visible ranges as a mask; without one when everything is visible. */
export function contextMessage(
  hidden: Tensor,
  visible: readonly (readonly [start: number, end: number])[],
): InlineContext {
  const message = { hidden: tensorMessage('hidden', hidden) };
  const rows = hidden.shape.length === 1 ? 1 : hidden.shape[0]!;
  const [first] = visible;
  if (visible.length === 1 && first![0] === 0 && first![1] === rows) return message;
  const mask = new Uint8Array(rows).fill(1);
  for (const [start, end] of visible) mask.fill(0, start, end);
  return {
    ...message,
    padMask: tensorMessage('pad_mask', { dtype: 'bool', shape: [rows], bytes: mask }),
  };
}
