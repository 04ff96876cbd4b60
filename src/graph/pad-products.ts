/**
 * Products whose rows lie a multiple of 4 KiB apart, made a little wider. At such a distance the rows that a matrix kernel
 * reads together fall into the same few sets of the processor's first cache and push each other out; 16 columns of
 * zeros more move them apart. The product is the same, and faster by more than the copy costs (`npm run bench:engine`).
 * For CPUs; a GPU has no use for it.
 */
import type { Graph } from './graph.js';
import type { Constant, Value } from './value.js';
import { matmul, padLast } from './ops.js';
import { rewriteProducts } from './rewrite.js';

/** Floats in 4 KiB. */
const ALIASED_ROW = 1024;
/** One cache line of floats. */
const PADDING = 16;

/** The graph with padded products: same inputs, same output names, dtypes and shapes. */
export function padProducts(source: Graph): Graph {
  return rewriteProducts(source, paddedProduct);
}

/** x [..., inputs] W [inputs, outputs] as [x 0] [W; 0]. */
function paddedProduct(g: Graph, x: Value, { value, bytes }: Constant): Value | undefined {
  const [inputs, outputs] = value.shape as [number, number];
  if (value.shape.length !== 2 || inputs % ALIASED_ROW !== 0) return undefined;
  const weight = new Float32Array((inputs + PADDING) * outputs);
  weight.set(new Float32Array(bytes.buffer, bytes.byteOffset, inputs * outputs));
  return matmul(g, padLast(g, x, PADDING), g.constant('weight', [inputs + PADDING, outputs], weight));
}
