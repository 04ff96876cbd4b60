/**
 * Rewrites a graph so that every product by a constant matrix runs in 8 bits: int8 weights with one scale a column,
 * uint8 activations with one scale and zero point for the whole tensor, found as it runs (ONNX DynamicQuantizeLinear).
 * The runtime fuses the pieces into one kernel. Because the activations share a scale, rows of one run influence each
 * other: give such a graph one context at a time.
 */
import { Graph, type Constant, type Value } from './graph.js';
import { cast, mul } from './ops.js';

const INT8_MAX = 127;

/** The rewritten graph: same inputs, same output names, dtypes and shapes. */
export function quantizeProducts(source: Graph): Graph {
  const g = new Graph(source.name);
  const made = new Map<string, Value>();
  for (const input of source.inputs) made.set(input.name, g.input(input.name, input.dtype, input.shape));
  const valueOf = (value: Value): Value => {
    const known = made.get(value.name);
    if (known) return known;
    const { bytes, integers } = source.constants.get(value.name)!;
    const constant = g.addConstant(
      value.name,
      value.dtype,
      value.shape as readonly number[],
      bytes,
      integers,
    );
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
    const inputs = (): (Value | undefined)[] => node.inputs.map((value) => value && valueOf(value));
    const outputs = weight
      ? [g.within(node.name, () => quantizedProduct(g, valueOf(first!), weight))]
      : g.apply(node.op, inputs(), node.attributes, node.outputs[0]!.shape);
    for (const [index, output] of node.outputs.entries()) made.set(output.name, outputs[index]!);
  }
  return g;
}

/** x [..., inputs] W [inputs, outputs] with W rounded to 8 bits. */
function quantizedProduct(g: Graph, x: Value, { value, bytes }: Constant): Value {
  const [inputs, outputs] = value.shape as [number, number];
  const weight = new Float32Array(bytes.buffer, bytes.byteOffset, inputs * outputs);
  const scales = new Float32Array(outputs);
  for (const [i, element] of weight.entries()) {
    scales[i % outputs] = Math.max(scales[i % outputs]!, Math.abs(element) / INT8_MAX);
  }
  // A column of zeros has scale 0 and stays zero whatever its words are.
  const words = Int8Array.from(weight, (element, i) => Math.round(element / scales[i % outputs]!) || 0);
  const [xWords, xScale, xZero] = g.apply('DynamicQuantizeLinear', [x]);
  const w = g.addConstant('weight', 'int8', [inputs, outputs], new Uint8Array(words.buffer));
  const [product] = g.apply('MatMulInteger', [xWords, w, xZero]);
  const scale = mul(g, xScale!, g.constant('scales', [outputs], scales));
  return mul(g, cast(g, product!, 'float32'), scale);
}
