/** What a graph is made of: values, nodes, constants, and the names of the ops. What an op does stands in the tables. */
import type { Shape } from './dims.js';
import type { ElementType } from './element-type.js';

/**
 * Every op that a graph may hold; the semantics are ONNX's (https://onnx.ai/onnx/operators/), operator set `OPSET` of
 * `onnx.ts`. A name here needs a row in each table: shapes (`infer/table.ts`) and derivatives (`differentiate/table.ts`);
 * without one nothing compiles.
 */
export type OpType =
  | 'Abs'
  | 'Add'
  | 'BitCast'
  | 'Cast'
  | 'Concat'
  | 'Div'
  | 'DynamicQuantizeLinear'
  | 'Expand'
  | 'Greater'
  | 'Identity'
  | 'LayerNormalization'
  | 'LogSoftmax'
  | 'MatMul'
  | 'MatMulInteger'
  | 'Mul'
  | 'Neg'
  | 'Pad'
  | 'ReduceSum'
  | 'Relu'
  | 'Reshape'
  | 'Shape'
  | 'Sigmoid'
  | 'Sign'
  | 'Slice'
  | 'Softmax'
  | 'Softplus'
  | 'Sqrt'
  | 'Sub'
  | 'Transpose'
  | 'Unsqueeze'
  | 'Where';

/** One tensor that flows through a graph. */
export interface Value {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: Shape;
}

export type Attribute = number | string | readonly number[];
/** Integers unless wrapped: ONNX tells `1` from `1.0` by the attribute's type. */
export interface FloatAttribute {
  readonly float: number;
}
export type Attributes = Readonly<Record<string, Attribute | FloatAttribute>>;

export interface Node {
  readonly name: string;
  readonly op: OpType;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

export interface Constant {
  readonly value: Value;
  /** Little-endian row-major elements. */
  readonly bytes: Uint8Array;
  /** The integers themselves, for ops whose result shape depends on them. */
  readonly integers?: readonly number[];
}
