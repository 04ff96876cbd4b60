/** Element types of graph values. */

export type ElementType =
  'float32' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'uint32' | 'uint16' | 'uint8' | 'int8' | 'bool';

/** TensorProto.DataType of onnx.proto. */
export const ONNX_TYPE: Record<ElementType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  uint32: 12,
  bfloat16: 16,
};

/** Bytes of one element. */
export const ELEMENT_BYTES: Record<ElementType, number> = {
  float32: 4,
  int32: 4,
  uint32: 4,
  float16: 2,
  bfloat16: 2,
  uint16: 2,
  int64: 8,
  uint8: 1,
  int8: 1,
  bool: 1,
};
