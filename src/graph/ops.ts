/** Named functions over `Graph.apply`, so that a model reads as its equations. Shapes and dtypes are checked by `infer/table.ts`. */
import { ONNX_TYPE, type ElementType } from './element-type.js';
import type { Graph } from './graph.js';
import type { Shape } from './dims.js';
import type { Attributes, OpType, Value } from './value.js';

function one(
  g: Graph,
  op: OpType,
  inputs: readonly (Value | undefined)[],
  attributes?: Attributes,
  declared?: Shape,
): Value {
  return g.apply(op, inputs, attributes, declared)[0]!;
}

export const add = (g: Graph, a: Value, b: Value): Value => one(g, 'Add', [a, b]);
export const mul = (g: Graph, a: Value, b: Value): Value => one(g, 'Mul', [a, b]);
export const sub = (g: Graph, a: Value, b: Value): Value => one(g, 'Sub', [a, b]);
export const div = (g: Graph, a: Value, b: Value): Value => one(g, 'Div', [a, b]);
export const neg = (g: Graph, x: Value): Value => one(g, 'Neg', [x]);
export const abs = (g: Graph, x: Value): Value => one(g, 'Abs', [x]);
/** -1, 0 or 1. */
export const sign = (g: Graph, x: Value): Value => one(g, 'Sign', [x]);
export const sqrt = (g: Graph, x: Value): Value => one(g, 'Sqrt', [x]);
/** a > b, as truth values. */
export const greater = (g: Graph, a: Value, b: Value): Value => one(g, 'Greater', [a, b]);
export const relu = (g: Graph, x: Value): Value => one(g, 'Relu', [x]);
export const sigmoid = (g: Graph, x: Value): Value => one(g, 'Sigmoid', [x]);
export const softplus = (g: Graph, x: Value): Value => one(g, 'Softplus', [x]);
/** SiLU(x) = x * sigmoid(x). */
export const silu = (g: Graph, x: Value): Value => mul(g, x, sigmoid(g, x));
export const matmul = (g: Graph, a: Value, b: Value): Value => one(g, 'MatMul', [a, b]);
/** Over the last axis. */
export const softmax = (g: Graph, x: Value): Value => one(g, 'Softmax', [x], { axis: -1 });
/** log(softmax(x)) over the last axis, without overflow. */
export const logSoftmax = (g: Graph, x: Value): Value => one(g, 'LogSoftmax', [x], { axis: -1 });
export const where = (g: Graph, condition: Value, a: Value, b: Value): Value =>
  one(g, 'Where', [condition, a, b]);
export const concat = (g: Graph, values: readonly Value[], axis: number): Value =>
  one(g, 'Concat', values, { axis });
export const shapeOf = (g: Graph, x: Value): Value => one(g, 'Shape', [x]);
export const transpose = (g: Graph, x: Value, perm: readonly number[]): Value =>
  one(g, 'Transpose', [x], { perm });

export const cast = (g: Graph, x: Value, to: ElementType): Value =>
  one(g, 'Cast', [x], { to: ONNX_TYPE[to] });
/** The same bits as another type of the same width (opset 26). */
export const bitCast = (g: Graph, x: Value, to: ElementType): Value =>
  one(g, 'BitCast', [x], { to: ONNX_TYPE[to] });

/** 0 copies the dim of the same axis, -1 takes what is left. */
export const reshape = (g: Graph, x: Value, target: readonly number[]): Value =>
  one(g, 'Reshape', [x, g.integers('shape', target)]);

/** `count` zeros behind the last axis. */
export const padLast = (g: Graph, x: Value, count: number): Value => {
  const none = x.shape.map(() => 0);
  return one(g, 'Pad', [x, g.integers('pads', [...none, ...none.slice(1), count])]);
};

export const unsqueeze = (g: Graph, x: Value, axes: readonly number[]): Value =>
  one(g, 'Unsqueeze', [x, g.integers('axes', axes)]);

export const sum = (g: Graph, x: Value, axes: readonly number[], keepdims: 0 | 1 = 0): Value =>
  one(g, 'ReduceSum', [x, g.integers('axes', axes)], { keepdims });

/** `x[..., start:end, ...]` along one axis, bounds known. */
export const slice = (g: Graph, x: Value, axis: number, start: number, end: number): Value =>
  one(g, 'Slice', [x, g.integers('starts', [start]), g.integers('ends', [end]), g.integers('axes', [axis])]);

/** The first `end` (an int64 [1] value) rows of `x` along axis 0; `dim` names that size. */
export const firstRows = (g: Graph, x: Value, end: Value, dim: string): Value =>
  one(g, 'Slice', [x, g.integers('starts', [0]), end, g.integers('axes', [0])], {}, [
    dim,
    ...x.shape.slice(1),
  ]);

/** Broadcasts `x` to the run-time shape `target` (int64 [rank]), declared as `shape`. */
export const expand = (g: Graph, x: Value, target: Value, shape: Shape): Value =>
  one(g, 'Expand', [x, target], {}, shape);

/** `x` as a constant to differentiation: the stop-gradient of the equations. */
export function detach(g: Graph, x: Value): Value {
  const out = one(g, 'Identity', [x]);
  g.detached.add(out.name);
  return out;
}

export interface Normalised {
  readonly out: Value;
  readonly mean: Value;
  /** 1 / sqrt(variance + epsilon). */
  readonly inverseStd: Value;
}

/** Layer normalisation over the last axis (Ba et al. 2016), with its statistics. */
export function layerNorm(g: Graph, x: Value, scale: Value, bias: Value, epsilon: number): Normalised {
  const [out, average, inverseStd] = g.apply('LayerNormalization', [x, scale, bias], {
    axis: -1,
    epsilon: { float: epsilon },
  });
  return { out: out!, mean: average!, inverseStd: inverseStd! };
}
