/**
 * Reverse-mode differentiation of a graph (Griewank and Walther 2008, chapter 3): nodes that compute the gradient are added
 * to the graph itself, one rule an op (`table.ts`). The rules are made of ops that have rules, so a gradient can be
 * differentiated again.
 *
 *     const g = new Graph('square');
 *     const x = g.input('x', 'float32', ['N']);
 *     const loss = sum(g, mul(g, x, x), [0]);            // [] scalar
 *     const [dx] = gradientsOf(g, loss, [x]);             // [N], 2x
 *     const [ddx] = gradientsOf(g, sum(g, dx!, [0]), [x]); // [N], 2: second order
 *     g.output('dx', dx!);
 *
 * Only what lies between `wrt` and the loss is walked, each node once: a value that several nodes read collects their
 * gradients first. Values that were detached (`ops.detach`) pass none on.
 */
import { sameShape, showShape } from '../dims.js';
import { GraphError, type Graph } from '../graph.js';
import { add, expand, shapeOf } from '../ops.js';
import type { Node, Value } from '../value.js';
import { scalar, type BackwardRule } from './rule.js';
import { DERIVATIVES } from './table.js';

/**
 * Gradients of `loss` by each of `wrt`, in their shapes, in order; zeros where the loss does not depend on one. A value of
 * `wrt` may be an input or anything computed on the way.
 *
 * @param loss float32 scalar []
 * Errors: `GraphError` for a loss that is no scalar, for a dependence through an op that has no derivative, and for shapes
 * that only the running graph knows where a rule needs them.
 */
export function gradientsOf(g: Graph, loss: Value, wrt: readonly Value[]): Value[] {
  if (loss.dtype !== 'float32' || loss.shape.length !== 0) {
    throw new GraphError(
      `loss ${loss.name}: ${loss.dtype} ${showShape(loss.shape)}, wanted a float32 scalar; sum it first`,
    );
  }
  const nodes = [...g.nodes];
  const moving = dependents(g, nodes, wrt);
  const collected = new Map<string, Value[]>([[loss.name, [scalar(g, 1)]]]);
  const gradientOf = ({ name }: Value): Value | undefined => {
    const parts = collected.get(name);
    if (!parts) return undefined;
    const all = parts.reduce((sum, part) => add(g, sum, part));
    collected.set(name, [all]);
    return all;
  };
  for (const node of nodes.reverse()) {
    if (!node.outputs.some(({ name }) => moving.has(name) && collected.has(name))) continue;
    const wanted = (index: number): boolean => moving.has(node.inputs[index]?.name ?? '');
    g.within(`d(${node.name})`, () => {
      const gradients = node.outputs.map((output) =>
        moving.has(output.name) ? gradientOf(output) : undefined,
      );
      const back = runRule(ruleOf(node), g, node, gradients, wanted);
      for (const [index, gradient] of back.entries()) {
        if (!gradient || !wanted(index)) continue;
        const input = node.inputs[index]!;
        if (!sameShape(gradient.shape, input.shape)) {
          throw new GraphError(
            `${node.name}: gradient ${showShape(gradient.shape)} by ${input.name} ${showShape(input.shape)}`,
          );
        }
        collected.set(input.name, [...(collected.get(input.name) ?? []), gradient]);
      }
    });
  }
  return wrt.map((value) => gradientOf(value) ?? zerosLike(g, value));
}

/** Names of the values that move with one of `wrt`: what a gradient has to pass through. */
function dependents(g: Graph, nodes: readonly Node[], wrt: readonly Value[]): Set<string> {
  for (const { name, dtype } of wrt) {
    if (dtype !== 'float32') throw new GraphError(`gradient by ${name}: ${dtype}, wanted float32`);
  }
  const moving = new Set(wrt.map(({ name }) => name));
  for (const node of nodes) {
    if (DERIVATIVES[node.op].kind === 'flat') continue;
    if (!node.inputs.some((input) => input && moving.has(input.name))) continue;
    for (const { name, dtype } of node.outputs) {
      if (dtype.includes('float') && !g.detached.has(name)) moving.add(name);
    }
  }
  return moving;
}

function ruleOf(node: Node): BackwardRule {
  const derivative = DERIVATIVES[node.op];
  if (derivative.kind === 'rule') return derivative.rule;
  throw new GraphError(`${node.name}: ${node.op} has no derivative: ${derivative.why}`);
}

function runRule(
  rule: BackwardRule,
  g: Graph,
  node: Node,
  gradients: readonly (Value | undefined)[],
  wanted: (index: number) => boolean,
): readonly (Value | undefined)[] {
  try {
    return rule({ g, node, gradients, wanted });
  } catch (error) {
    throw new GraphError(`derivative of ${node.name}: ${(error as Error).message}`, { cause: error });
  }
}

function zerosLike(g: Graph, value: Value): Value {
  const zero = scalar(g, 0);
  return value.shape.length === 0 ? zero : expand(g, zero, shapeOf(g, value), value.shape);
}
