/**
 * Every product by a constant matrix in 8 bits: int8 weights with one scale a column, uint8 activations with one scale and
 * zero point for the whole tensor, found as it runs (ONNX DynamicQuantizeLinear). The runtime fuses the pieces into one
 * kernel. Because the activations share a scale, rows of one run influence each other: give such a graph one context at
 * a time.
 */
import type { Graph } from './graph.js';
import type { Constant, Value } from './value.js';
import { cast, mul } from './ops.js';
import { rewriteProducts } from './rewrite.js';

const INT8_MAX = 127;

/** The graph with 8-bit products: same inputs, same output names, dtypes and shapes. */
export function quantizeProducts(source: Graph): Graph {
  return rewriteProducts(source, quantizedProduct);
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
