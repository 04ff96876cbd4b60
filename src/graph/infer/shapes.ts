/** Ops that move elements and compute none. */
import {
  broadcast,
  quotient,
  sameCount,
  sameDim,
  sameShape,
  showShape,
  total,
  type Dim,
  type Shape,
} from '../dims.js';
import {
  axesOf,
  axisOf,
  constantOperand,
  declaredShape,
  integerAttribute,
  operand,
  sameDType,
  type InferRule,
} from './rule.js';

/** The shape that a constant Reshape target stands for: 0 copies the dim of the same axis, -1 takes what is left. */
function reshaped(from: Shape, target: readonly number[]): Dim[] {
  const shape: Dim[] = target.map((size, axis) => {
    if (size !== 0) return size;
    const dim = from[axis];
    if (dim === undefined) throw new Error(`target axis ${axis} copies a dim that the input lacks`);
    return dim;
  });
  const unknown = shape.indexOf(-1);
  if (unknown >= 0) {
    const rest = shape.filter((_, axis) => axis !== unknown);
    if (rest.includes(-1)) throw new Error('target has -1 twice');
    shape[unknown] = quotient(from, rest);
  }
  return shape;
}

/** A bound of Slice as ONNX reads it: negative ones count from the end, all are clamped to the dim. */
function clamped(bound: number, size: number): number {
  return Math.min(Math.max(bound < 0 ? bound + size : bound, 0), size);
}

export const SHAPES = {
  /** A target that is computed at run time needs the result's shape declared. */
  Reshape(node) {
    const x = operand(node, 0);
    const target = node.integersOf(operand(node, 1));
    const shape = target ? reshaped(x.shape, target) : declaredShape(node);
    if (!sameCount(x.shape, shape)) throw new Error(`cannot reshape to ${showShape(shape)}`);
    return [{ dtype: x.dtype, shape }];
  },
  Transpose(node) {
    const x = operand(node, 0);
    const { perm } = node.attributes;
    if (!Array.isArray(perm)) throw new Error('attribute perm wanted');
    const order = perm as number[];
    const rank = x.shape.length;
    // unlike other axes, those of perm may not be negative (ONNX, Transpose)
    const fits =
      order.length === rank && [...order].sort((a, b) => a - b).every((axis, index) => axis === index);
    if (!fits) throw new Error(`perm [${order.join(', ')}] does not fit rank ${rank}`);
    return [{ dtype: x.dtype, shape: order.map((axis) => x.shape[axis]!) }];
  },
  /** The target shape is computed at run time, so it is declared. */
  Expand(node) {
    const x = operand(node, 0);
    const shape = declaredShape(node);
    const broad = broadcast(x.shape, shape);
    if (!broad || !sameShape(broad, shape)) throw new Error(`cannot expand to ${showShape(shape)}`);
    return [{ dtype: x.dtype, shape }];
  },
  Concat(node) {
    const values = node.inputs.map((_, index) => operand(node, index));
    const first = values[0];
    if (!first) throw new Error('nothing to join');
    const axis = axisOf(integerAttribute(node, 'axis'), first.shape.length);
    for (const value of values) {
      const fits =
        value.shape.length === first.shape.length &&
        value.shape.every((dim, i) => i === axis || sameDim(dim, first.shape[i]!));
      if (!fits) throw new Error('shapes differ outside the joined axis');
    }
    const joined = total(values.map((value) => value.shape[axis]!));
    return [{ dtype: sameDType(...values), shape: first.shape.map((dim, i) => (i === axis ? joined : dim)) }];
  },
  Shape: (node) => [{ dtype: 'int64', shape: [operand(node, 0).shape.length] }],
  /** Inputs: data, starts, ends, axes (constant). The result is declared unless bounds and dim are constant. */
  Slice(node) {
    const x = operand(node, 0);
    const axes = axesOf(constantOperand(node, 3), x.shape.length);
    const starts = node.integersOf(operand(node, 1));
    const ends = node.integersOf(operand(node, 2));
    for (const bounds of [starts, ends]) {
      if (bounds && bounds.length !== axes.length)
        throw new Error('a start and an end for every axis wanted');
    }
    const shape = x.shape.map((dim, axis) => {
      const at = axes.indexOf(axis);
      if (at < 0) return dim;
      if (!starts || !ends || typeof dim !== 'number') return declaredShape(node)[axis]!;
      return Math.max(0, clamped(ends[at]!, dim) - clamped(starts[at]!, dim));
    });
    return [{ dtype: x.dtype, shape }];
  },
  /** Inputs: data, pads (constant; all starts, then all ends). Zeros are added. */
  Pad(node) {
    const x = operand(node, 0);
    const pads = constantOperand(node, 1);
    const rank = x.shape.length;
    if (pads.length !== 2 * rank || pads.some((count) => count < 0)) throw new Error('two pads a dim wanted');
    const shape = x.shape.map((dim, axis) => total([dim, pads[axis]! + pads[axis + rank]!]));
    return [{ dtype: x.dtype, shape }];
  },
  /** Axes count in the result. */
  Unsqueeze(node) {
    const x = operand(node, 0);
    const added = constantOperand(node, 1);
    const axes = axesOf(added, x.shape.length + added.length);
    const shape: Dim[] = [...x.shape];
    for (const axis of axes.sort((a, b) => a - b)) shape.splice(axis, 0, 1);
    return [{ dtype: x.dtype, shape }];
  },
} satisfies Record<string, InferRule>;
