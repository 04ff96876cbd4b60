/** Rewrites the products of a graph, `x [..., inputs] W [inputs, outputs]` with a constant W, and copies the rest. */
import { Graph } from './graph.js';
import type { Constant, Value } from './value.js';
import { matmul } from './ops.js';

/** Builds the product of `x` and a constant matrix in `g`; undefined leaves it as it is. */
export type ProductRewrite = (g: Graph, x: Value, weight: Constant) => Value | undefined;

/** The rewritten graph: same inputs, same output names, dtypes and shapes. */
export function rewriteProducts(source: Graph, rewrite: ProductRewrite): Graph {
  const g = new Graph(source.name);
  const made = new Map<string, Value>();
  for (const input of source.inputs) made.set(input.name, g.input(input.name, input.dtype, input.shape));
  const valueOf = (value: Value): Value => {
    const known = made.get(value.name);
    if (known) return known;
    const { bytes, integers } = source.constants.get(value.name)!;
    const shape = value.shape as readonly number[];
    const constant = g.addConstant(value.name, value.dtype, shape, bytes, integers);
    made.set(value.name, constant);
    return constant;
  };
  const outputNames = new Set(source.outputs.map(({ name }) => name));
  for (const node of source.nodes) {
    const [first, second] = node.inputs;
    if (outputNames.has(node.outputs[0]!.name)) {
      g.output(node.outputs[0]!.name, valueOf(first!));
      continue;
    }
    const weight = node.op === 'MatMul' ? source.constants.get(second!.name) : undefined;
    const inputs = node.inputs.map((value) =>
      value === second && weight ? undefined : value && valueOf(value),
    );
    const outputs = weight
      ? [
          g.within(node.name, () => rewrite(g, inputs[0]!, weight)) ??
            matmul(g, inputs[0]!, valueOf(weight.value)),
        ]
      : g.apply(node.op, inputs, node.attributes, node.outputs[0]!.shape);
    for (const [index, output] of node.outputs.entries()) made.set(output.name, outputs[index]!);
  }
  return g;
}
