/** Rules of ops that move elements and compute none. */
import { broadcast, product, sameCount, sameDim, showShape, type Dim, type Shape } from './dims.js';
import {
  axisOf,
  constantOperand,
  declaredShape,
  integerAttribute,
  operand,
  sameDType,
  type OpRule,
} from './rule.js';

export const SHAPE_RULES = {
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
  /** Inputs: data, pads (constant; all starts, then all ends). Zeros are added. */
  Pad: {
    infer(node) {
      const x = operand(node, 0);
      const pads = constantOperand(node, 1);
      const rank = x.shape.length;
      if (pads.length !== 2 * rank || pads.some((count) => count < 0))
        throw new Error('two pads a dim wanted');
      const shape = x.shape.map((dim, axis) => {
        const added = pads[axis]! + pads[axis + rank]!;
        if (added === 0) return dim;
        if (typeof dim !== 'number')
          throw new Error(`dim ${dim} is known only as it runs and cannot be padded`);
        return dim + added;
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
} satisfies Record<string, OpRule>;

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
