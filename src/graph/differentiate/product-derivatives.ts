/** Derivatives of ops that sum over an axis: matrix products, normalisations, reductions. */
import { holdsRowsOfBatch } from '../dims.js';
import { axisOf } from '../infer/rule.js';
import type { Graph } from '../graph.js';
import { add, matmul, mul, reshape, softmax, sub, sum, transpose } from '../ops.js';
import type { Node, Value } from '../value.js';
import {
  expandLike,
  refused,
  reshapeLike,
  rule,
  sumTo,
  timesNumber,
  type Backward,
  type Derivative,
} from './rule.js';

/** The last two axes exchanged. */
function turned(g: Graph, x: Value): Value {
  const rank = x.shape.length;
  return transpose(g, x, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
}

/** [..., n] as [rows, n]. */
function asRows(g: Graph, x: Value): Value {
  return x.shape.length === 2 ? x : reshape(g, x, [-1, numericSize(x.shape.at(-1)!)]);
}

function numericSize(dim: number | string): number {
  if (typeof dim !== 'number') throw new Error(`a last axis of known size wanted, found ${dim}`);
  return dim;
}

function attributeAxis({ attributes, inputs }: Node): number {
  return axisOf(attributes['axis'] as number, inputs[0]!.shape.length);
}

/** `Y = A B`: `dA = dY B^T`, `dB = A^T dY`, each summed over the batch axes along which it was repeated. */
const matmulDerivative = rule(({ g, node, dy, wanted }) => {
  const [a, b] = [node.inputs[0]!, node.inputs[1]!];
  // rows of every batch against one matrix: one product over all rows, no sum of products afterwards; (dY^T A)^T, since weights
  // are stored transposed and the transposes cancel
  const shared = b.shape.length === 2 && holdsRowsOfBatch(a.shape) && typeof a.shape.at(-1) === 'number';
  return [
    wanted(0) ? sumTo(g, matmul(g, dy, turned(g, b)), a) : undefined,
    !wanted(1)
      ? undefined
      : shared
        ? turned(g, matmul(g, turned(g, asRows(g, dy)), asRows(g, a)))
        : sumTo(g, matmul(g, turned(g, a), dy), b),
  ];
});

/**
 * Layer normalisation over the axes from `axis` on, n elements: `x^ = (x - mean) r`, `y = x^ scale + bias`, `r` the inverse
 * standard deviation. With `d = dy scale`:
 *
 *   dx = r (d - mean(d) - x^ mean(d x^)) + dmean / n - dr r^2 x^ / n
 *   dscale = sum(dy x^), dbias = sum(dy)
 */
function layerNormDerivative({ g, node, gradients, wanted }: Backward): (Value | undefined)[] {
  const [x, scale, bias] = [node.inputs[0]!, node.inputs[1]!, node.inputs[2]!];
  const [y, mean, inverseStd] = [node.outputs[0]!, node.outputs[1]!, node.outputs[2]!];
  const [dy, dMean, dInverseStd] = gradients;
  const first = attributeAxis(node);
  const axes = [...x.shape.keys()].slice(first);
  const count = axes.reduce((all, axis) => all * numericSize(x.shape[axis]!), 1);
  const plain = holdsOnly(g, scale, 1) && holdsOnly(g, bias, 0);
  const normalised = plain ? y : mul(g, sub(g, x, mean), inverseStd); // x^
  const average = (value: Value): Value => timesNumber(g, sum(g, value, axes, 1), 1 / count);
  const parts: Value[] = [];
  if (wanted(0) && dy) {
    const d = holdsOnly(g, scale, 1) ? dy : mul(g, dy, scale);
    const along = mul(g, normalised, average(mul(g, d, normalised)));
    parts.push(mul(g, sub(g, sub(g, d, average(d)), along), inverseStd));
  }
  if (wanted(0) && dMean) parts.push(expandLike(g, timesNumber(g, dMean, 1 / count), x));
  if (wanted(0) && dInverseStd) {
    const factor = timesNumber(g, mul(g, dInverseStd, mul(g, inverseStd, inverseStd)), -1 / count);
    parts.push(mul(g, normalised, factor));
  }
  return [
    parts.length === 0 ? undefined : parts.reduce((all, part) => add(g, all, part)),
    wanted(1) && dy ? sumTo(g, mul(g, dy, normalised), scale) : undefined,
    wanted(2) && dy ? sumTo(g, dy, bias) : undefined,
  ];
}

/** True for a float32 constant whose every element is `wanted`. */
function holdsOnly(g: Graph, value: Value, wanted: number): boolean {
  const constant = g.constants.get(value.name);
  if (!constant) return false;
  const { buffer, byteOffset, byteLength } = constant.bytes;
  return new Float32Array(buffer, byteOffset, byteLength / 4).every((element) => element === wanted);
}

export const PRODUCT_DERIVATIVES = {
  DynamicQuantizeLinear: refused('a graph in 8 bits is a step function; differentiate the float32 one'),
  LayerNormalization: { kind: 'rule', rule: layerNormDerivative },
  LogSoftmax: rule(({ g, node, dy, x }) => {
    const axis = attributeAxis(node);
    const share = axis === x.shape.length - 1 ? softmax(g, x) : g.apply('Softmax', [x], { axis })[0]!;
    return [sub(g, dy, mul(g, share, sum(g, dy, [axis], 1)))];
  }),
  MatMul: matmulDerivative,
  MatMulInteger: refused('a graph in 8 bits is a step function; differentiate the float32 one'),
  ReduceSum: rule(({ g, node, dy, x }) => {
    const rank = x.shape.length;
    const axes = g.constants.get(node.inputs[1]!.name)!.integers!.map((axis) => axisOf(axis, rank));
    const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
    return [expandLike(g, reshapeLike(g, dy, { ...x, shape: kept }), x)];
  }),
  /** `dx = y (dy - sum(dy y))`. */
  Softmax: rule(({ g, node, dy, y }) => [
    mul(g, y, sub(g, dy, sum(g, mul(g, dy, y), [attributeAxis(node)], 1))),
  ]),
} satisfies Record<string, Derivative>;
