/** What a rule of differentiation is given, and the few reshapings that most rules need. */
import { product, sameDim, sameShape, type Shape } from '../dims.js';
import type { Graph } from '../graph.js';
import { expand, mul, reshape, shapeOf, sum } from '../ops.js';
import type { Node, Value } from '../value.js';

/** One node on the way back. */
export interface Backward {
  readonly g: Graph;
  readonly node: Node;
  /** Gradient of the loss by each output of the node, in its shape; undefined where none arrives. */
  readonly gradients: readonly (Value | undefined)[];
  /** Whether anybody asks for the gradient by input `index`: what is not wanted need not be built. */
  readonly wanted: (index: number) => boolean;
}

/** Gradients by the inputs, in their shapes, built of ops that have rules themselves; undefined: not wanted, or zero. */
export type BackwardRule = (backward: Backward) => readonly (Value | undefined)[];

/**
 * A row of the table: a rule, or why there is none. `flat`: the derivative is zero wherever there is one. `refused`: asking for
 * it is a mistake.
 */
export type Derivative =
  | { readonly kind: 'rule'; readonly rule: BackwardRule }
  | { readonly kind: 'flat'; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string };

/** A rule for ops with one output: it has a gradient whenever the rule is called. */
export function rule(
  body: (
    backward: Backward & { readonly dy: Value; readonly y: Value; readonly x: Value },
  ) => readonly (Value | undefined)[],
): Derivative {
  return {
    kind: 'rule',
    rule: (backward) =>
      body({
        ...backward,
        dy: backward.gradients[0]!,
        y: backward.node.outputs[0]!,
        x: backward.node.inputs[0]!,
      }),
  };
}

export function flat(why: string): Derivative {
  return { kind: 'flat', why };
}

export function refused(why: string): Derivative {
  return { kind: 'refused', why };
}

/** A float32 constant that broadcasts with everything. */
export function scalar(g: Graph, value: number): Value {
  return g.constant('scalar', [], Float32Array.of(value));
}

export function timesNumber(g: Graph, x: Value, factor: number): Value {
  return mul(g, x, scalar(g, factor));
}

/** `x` in the shape of `like`, which holds as many elements. */
export function reshapeLike(g: Graph, x: Value, like: Value): Value {
  if (sameShape(x.shape, like.shape)) return x;
  const target = like.shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    return x.shape[axis] !== undefined && sameDim(x.shape[axis], dim) ? 0 : -1;
  });
  return target.filter((size) => size === -1).length <= 1
    ? reshape(g, x, target)
    : g.apply('Reshape', [x, shapeOf(g, like)], {}, like.shape)[0]!;
}

/** `x` broadcast to the shape of `like`. */
export function expandLike(g: Graph, x: Value, like: Value): Value {
  return sameShape(x.shape, like.shape) ? x : expand(g, x, shapeOf(g, like), like.shape);
}

/** The gradient by an operand that was broadcast: summed over the axes along which it was repeated. */
export function sumTo(g: Graph, gradient: Value, operand: Value): Value {
  const axes = repeatedAxes(gradient.shape, operand.shape);
  return axes.length === 0 ? gradient : reshapeLike(g, sum(g, gradient, axes), operand);
}

function repeatedAxes(broad: Shape, narrow: Shape): number[] {
  const added = broad.length - narrow.length;
  return [...broad.keys()].filter(
    (axis) => axis < added || (narrow[axis - added] === 1 && product([broad[axis]!]) !== 1),
  );
}
