/** Context tokens as they arrive, widened to float32 inside the graph. */
import type { TokenDType } from '../model/context.js';
import type { ElementType } from '../graph/element-type.js';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { bitCast, cast } from '../graph/ops.js';
import type { Shape } from '../graph/dims.js';

/**
 * How the runtime's tensors carry a token dtype. 16-bit floats travel as their words: there are no bfloat16 arrays, and
 * where JavaScript has float16 ones (Node 24 and later) onnxruntime-node 1.30.0 reads zero bytes of them.
 */
export const TOKEN_ELEMENT = {
  float32: 'float32',
  float16: 'uint16',
  bfloat16: 'uint16',
} as const satisfies Record<TokenDType, ElementType>;

/** The graph input `name` of the given shape, as float32. Exact: every float16 and bfloat16 is a float32. */
export function tokenInput(g: Graph, name: string, dtype: TokenDType, shape: Shape): Value {
  const input = g.input(name, TOKEN_ELEMENT[dtype], shape);
  if (dtype === 'float32') return input;
  return cast(g, bitCast(g, input, dtype), 'float32');
}
