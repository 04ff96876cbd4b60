/** Ops that sum over an axis: matrix products, normalisations, reductions. */
import { broadcast, sameDim, sameShape, showShape, type Dim } from '../dims.js';
import type { Value } from '../value.js';
import {
  axesOf,
  axisOf,
  constantOperand,
  floatOperand,
  integerAttribute,
  operand,
  sameDType,
  type InferRule,
} from './rule.js';

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

const alongAxis: InferRule = (node) => {
  const x = floatOperand(node, 0);
  axisOf(integerAttribute(node, 'axis'), x.shape.length);
  return [x];
};

export const PRODUCTS = {
  MatMul(node) {
    return [{ dtype: 'float32', shape: matmulShape(floatOperand(node, 0), floatOperand(node, 1)) }];
  },
  MatMulInteger(node) {
    const [a, b] = [operand(node, 0), operand(node, 1)];
    if (a.dtype !== 'uint8' || (b.dtype !== 'int8' && b.dtype !== 'uint8'))
      throw new Error('8-bit operands wanted');
    return [{ dtype: 'int32', shape: matmulShape(a, b) }];
  },
  DynamicQuantizeLinear(node) {
    const { shape } = floatOperand(node, 0);
    return [
      { dtype: 'uint8', shape },
      { dtype: 'float32', shape: [] },
      { dtype: 'uint8', shape: [] },
    ];
  },
  Softmax: alongAxis,
  LogSoftmax: alongAxis,
  /** Outputs: normalised, mean, inverse standard deviation (the last two with 1 in the normalised axes). */
  LayerNormalization(node) {
    const [x, scale, bias] = [operand(node, 0), operand(node, 1), operand(node, 2)];
    const axis = axisOf(integerAttribute(node, 'axis'), x.shape.length);
    const normalised = x.shape.slice(axis);
    for (const parameter of [scale, bias]) {
      if (!sameShape(parameter.shape, normalised)) {
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
  ReduceSum(node) {
    const x = operand(node, 0);
    const axes = axesOf(constantOperand(node, 1), x.shape.length);
    const keep = integerAttribute(node, 'keepdims') === 1;
    const shape = keep
      ? x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
      : x.shape.filter((_, axis) => !axes.includes(axis));
    return [{ dtype: x.dtype, shape }];
  },
} satisfies Record<string, InferRule>;
