/**
 * One rule an op: which dtypes and shapes it takes, which it yields. Only what the energy graphs use; the semantics are
 * ONNX's (https://onnx.ai/onnx/operators/), opset `OPSET` of `onnx.ts`.
 */
import { broadcast, product, sameCount, sameDim, showShape, type Dim, type Shape } from './dims.js';
import type { Attributes, ElementType, Value } from './graph.js';

export interface Inference {
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** The result's shape where it is computed at run time and only the caller can name it. */
  readonly declared?: Shape;
  /** The elements of an int64 constant; undefined when the value is computed. */
  integersOf(value: Value): readonly number[] | undefined;
}

export interface ValueType {
  readonly dtype: ElementType;
  readonly shape: Shape;
}

export interface OpRule {
  infer(node: Inference): ValueType[];
}

export type OpType =
  | 'Add'
  | 'Sub'
  | 'Mul'
  | 'BitShift'
  | 'BitwiseAnd'
  | 'BitCast'
  | 'Relu'
  | 'Sigmoid'
  | 'Softplus'
  | 'Identity'
  | 'Cast'
  | 'MatMul'
  | 'Softmax'
  | 'LayerNormalization'
  | 'DynamicQuantizeLinear'
  | 'MatMulInteger'
  | 'Reshape'
  | 'Transpose'
  | 'Expand'
  | 'Concat'
  | 'Shape'
  | 'Slice'
  | 'Unsqueeze'
  | 'Where'
  | 'ReduceMean'
  | 'ReduceSum';

function operand(node: Inference, index: number): Value {
  const value = node.inputs[index];
  if (!value) throw new Error(`input ${index} is missing`);
  return value;
}

function constantOperand(node: Inference, index: number): readonly number[] {
  const integers = node.integersOf(operand(node, index));
  if (!integers) throw new Error(`input ${index} must be an int64 constant`);
  return integers;
}

function declaredShape(node: Inference): Shape {
  if (!node.declared) throw new Error('the shape of the result must be declared');
  return node.declared;
}

function integerAttribute(node: Inference, name: string): number {
  const value = node.attributes[name];
  if (typeof value !== 'number') throw new Error(`attribute ${name} must be an integer`);
  return value;
}

function axisOf(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (positive < 0 || positive >= rank) throw new Error(`axis ${axis} is outside rank ${rank}`);
  return positive;
}

function sameDType(...values: Value[]): ElementType {
  const { dtype } = values[0]!;
  if (values.some((value) => value.dtype !== dtype)) throw new Error('dtypes differ');
  return dtype;
}

function broadcastShapes(...values: Value[]): Dim[] {
  let shape: Dim[] = [];
  for (const value of values) {
    const next = broadcast(shape, value.shape);
    if (!next) throw new Error(`${showShape(shape)} and ${showShape(value.shape)} do not broadcast`);
    shape = next;
  }
  return shape;
}

const binary = (allowed: readonly ElementType[]): OpRule => ({
  infer(node) {
    const [a, b] = [operand(node, 0), operand(node, 1)];
    const dtype = sameDType(a, b);
    if (!allowed.includes(dtype)) throw new Error(`dtype ${dtype} is not one of ${allowed.join(', ')}`);
    return [{ dtype, shape: broadcastShapes(a, b) }];
  },
});

const arithmetic = binary(['float32', 'int32', 'int64', 'uint32']);

const floatUnary: OpRule = {
  infer(node) {
    const x = operand(node, 0);
    if (x.dtype !== 'float32') throw new Error(`dtype ${x.dtype} is not float32`);
    return [{ dtype: x.dtype, shape: x.shape }];
  },
};

const ELEMENT_BITS: Record<ElementType, number> = {
  float32: 32,
  int32: 32,
  uint32: 32,
  float16: 16,
  bfloat16: 16,
  uint16: 16,
  int64: 64,
  uint8: 8,
  int8: 8,
  bool: 8,
};

/** Attribute `to` of Cast and BitCast, written as ONNX's type number by the caller. */
function castTarget(node: Inference): ElementType {
  const to = integerAttribute(node, 'to');
  const found = (Object.entries(ONNX_TYPE) as [ElementType, number][]).find(([, code]) => code === to);
  if (!found) throw new Error(`unknown element type ${to}`);
  return found[0];
}

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

function matmulShape(a: Value, b: Value): Dim[] {
  if (a.shape.length < 2 || b.shape.length < 2) throw new Error('operands of rank 2 or more wanted');
  const inner = a.shape.at(-1)!;
  if (!sameDim(inner, b.shape.at(-2)!)) {
    throw new Error(`inner dims ${inner} and ${b.shape.at(-2)} differ`);
  }
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (!batch) throw new Error('batch dims do not broadcast');
  return [...batch, a.shape.at(-2)!, b.shape.at(-1)!];
}

const reduce: OpRule = {
  infer(node) {
    const x = operand(node, 0);
    const axes = constantOperand(node, 1).map((axis) => axisOf(axis, x.shape.length));
    const keep = integerAttribute(node, 'keepdims') === 1;
    const shape = keep
      ? x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
      : x.shape.filter((_, axis) => !axes.includes(axis));
    return [{ dtype: x.dtype, shape }];
  },
};

export const RULES: Record<OpType, OpRule> = {
  Add: arithmetic,
  Sub: arithmetic,
  Mul: arithmetic,
  BitShift: binary(['uint32', 'uint16', 'uint8']),
  BitwiseAnd: binary(['uint32', 'int32', 'uint16']),
  Relu: floatUnary,
  Sigmoid: floatUnary,
  Softplus: floatUnary,
  Identity: { infer: (node) => [operand(node, 0)] },
  Cast: { infer: (node) => [{ dtype: castTarget(node), shape: operand(node, 0).shape }] },
  BitCast: {
    infer(node) {
      const x = operand(node, 0);
      const dtype = castTarget(node);
      if (ELEMENT_BITS[dtype] !== ELEMENT_BITS[x.dtype])
        throw new Error(`${x.dtype} and ${dtype} differ in width`);
      return [{ dtype, shape: x.shape }];
    },
  },
  MatMul: {
    infer(node) {
      const [a, b] = [operand(node, 0), operand(node, 1)];
      if (sameDType(a, b) !== 'float32') throw new Error('float32 operands wanted');
      return [{ dtype: 'float32', shape: matmulShape(a, b) }];
    },
  },
  MatMulInteger: {
    infer(node) {
      const [a, b] = [operand(node, 0), operand(node, 1)];
      if (a.dtype !== 'uint8' || (b.dtype !== 'int8' && b.dtype !== 'uint8'))
        throw new Error('8-bit operands wanted');
      return [{ dtype: 'int32', shape: matmulShape(a, b) }];
    },
  },
  DynamicQuantizeLinear: {
    infer(node) {
      const x = operand(node, 0);
      if (x.dtype !== 'float32') throw new Error('float32 wanted');
      return [
        { dtype: 'uint8', shape: x.shape },
        { dtype: 'float32', shape: [] },
        { dtype: 'uint8', shape: [] },
      ];
    },
  },
  Softmax: {
    infer(node) {
      const x = operand(node, 0);
      axisOf(integerAttribute(node, 'axis'), x.shape.length);
      return floatUnary.infer(node);
    },
  },
  /** Outputs: normalised, mean, inverse standard deviation (the last two with 1 in the normalised axes). */
  LayerNormalization: {
    infer(node) {
      const [x, scale, bias] = [operand(node, 0), operand(node, 1), operand(node, 2)];
      const axis = axisOf(integerAttribute(node, 'axis'), x.shape.length);
      const normalised = x.shape.slice(axis);
      for (const parameter of [scale, bias]) {
        if (
          parameter.shape.length !== normalised.length ||
          !parameter.shape.every((dim, i) => sameDim(dim, normalised[i]!))
        ) {
          throw new Error(`scale and bias of shape ${showShape(normalised)} wanted`);
        }
      }
      const statistics = x.shape.map((dim, i) => (i < axis ? dim : 1));
      const dtype = sameDType(x, scale, bias);
      return [
        { dtype, shape: x.shape },
        { dtype, shape: statistics },
        { dtype, shape: statistics },
      ];
    },
  },
  Reshape: {
    infer(node) {
      const x = operand(node, 0);
      const target = constantOperand(node, 1);
      const shape: Dim[] = target.map((size, axis) => {
        if (size !== 0) return size;
        const dim = x.shape[axis];
        if (dim === undefined) throw new Error(`target axis ${axis} copies a dim that the input lacks`);
        return dim;
      });
      const unknown = shape.indexOf(-1);
      if (unknown >= 0) {
        const rest = shape.filter((_, axis) => axis !== unknown);
        shape[unknown] = quotient(x.shape, rest);
      }
      if (!sameCount(x.shape, shape)) throw new Error(`cannot reshape to ${showShape(shape)}`);
      return [{ dtype: x.dtype, shape }];
    },
  },
  Transpose: {
    infer(node) {
      const x = operand(node, 0);
      const { perm } = node.attributes;
      if (!Array.isArray(perm)) throw new Error('attribute perm wanted');
      const order = perm as number[];
      if (order.length !== x.shape.length || new Set(order).size !== order.length)
        throw new Error('perm does not fit the rank');
      return [{ dtype: x.dtype, shape: order.map((axis) => x.shape[axisOf(axis, order.length)]!) }];
    },
  },
  /** The target shape is computed at run time, so it is declared. */
  Expand: {
    infer(node) {
      const x = operand(node, 0);
      const shape = declaredShape(node);
      if (!broadcast(x.shape, shape)) throw new Error(`cannot expand to ${showShape(shape)}`);
      return [{ dtype: x.dtype, shape }];
    },
  },
  Concat: {
    infer(node) {
      const values = node.inputs.map((_, index) => operand(node, index));
      const first = values[0]!;
      const axis = axisOf(integerAttribute(node, 'axis'), first.shape.length);
      const sizes = values.map((value) => value.shape[axis]!);
      for (const value of values) {
        const fits =
          value.shape.length === first.shape.length &&
          value.shape.every((dim, i) => i === axis || sameDim(dim, first.shape[i]!));
        if (!fits) throw new Error('shapes differ outside the joined axis');
      }
      const joined = sizes.every((size) => typeof size === 'number')
        ? sizes.reduce<number>((sum, size) => sum + Number(size), 0)
        : sizes.join('+');
      return [
        { dtype: sameDType(...values), shape: first.shape.map((dim, i) => (i === axis ? joined : dim)) },
      ];
    },
  },
  Shape: { infer: (node) => [{ dtype: 'int64', shape: [operand(node, 0).shape.length] }] },
  /** Inputs: data, starts, ends, axes (constant). The result is declared unless the bounds are constant. */
  Slice: {
    infer(node) {
      const x = operand(node, 0);
      const axes = constantOperand(node, 3).map((axis) => axisOf(axis, x.shape.length));
      const starts = node.integersOf(operand(node, 1));
      const ends = node.integersOf(operand(node, 2));
      const shape = x.shape.map((dim, axis) => {
        const at = axes.indexOf(axis);
        if (at < 0) return dim;
        if (starts && ends && typeof dim === 'number') return Math.min(ends[at]!, dim) - starts[at]!;
        return declaredShape(node)[axis]!;
      });
      return [{ dtype: x.dtype, shape }];
    },
  },
  Unsqueeze: {
    infer(node) {
      const x = operand(node, 0);
      const axes = constantOperand(node, 1);
      const shape: Dim[] = [...x.shape];
      for (const axis of [...axes].sort((a, b) => a - b)) shape.splice(axis, 0, 1);
      return [{ dtype: x.dtype, shape }];
    },
  },
  Where: {
    infer(node) {
      const [condition, a, b] = [operand(node, 0), operand(node, 1), operand(node, 2)];
      if (condition.dtype !== 'bool') throw new Error('a bool condition wanted');
      return [{ dtype: sameDType(a, b), shape: broadcastShapes(condition, a, b) }];
    },
  },
  ReduceMean: reduce,
  ReduceSum: reduce,
};

/** What `whole` divided by `part` leaves as one dim; throws when `part` is no factor of it. */
function quotient(whole: Shape, part: Shape): Dim {
  const rest = String(product(whole)).split('*');
  let number = 1;
  for (const factor of String(product(part)).split('*')) {
    if (/^\d+$/.test(factor)) number *= Number(factor);
    else {
      const at = rest.indexOf(factor);
      if (at < 0) throw new Error(`${factor} is no factor of ${showShape(whole)}`);
      rest.splice(at, 1);
    }
  }
  const numeric = rest.findIndex((factor) => /^\d+$/.test(factor));
  const size = numeric < 0 ? 1 : Number(rest.splice(numeric, 1)[0]);
  if (size % number !== 0) throw new Error(`${number} does not divide ${size}`);
  return product([...rest, size / number]);
}
