/** Context tokens as they arrive, widened to float32 inside the graph. */
import type { TokenDType } from '../engine/engine.js';
import type { ElementType } from '../graph/element-type.js';
import type { Graph, Value } from '../graph/graph.js';
import { bitCast, cast } from '../graph/ops.js';
import type { Shape } from '../graph/dims.js';

/** How the runtime's tensors carry a token dtype: it has no bfloat16 arrays, so those travel as their 16-bit words. */
export const TOKEN_ELEMENT: Record<TokenDType, ElementType> = {
  float32: 'float32',
  float16: 'float16',
  bfloat16: 'uint16',
};

/** The graph input `name` of the given shape, as float32. Exact: every float16 and bfloat16 is a float32. */
export function tokenInput(g: Graph, name: string, dtype: TokenDType, shape: Shape): Value {
  const input = g.input(name, TOKEN_ELEMENT[dtype], shape);
  if (dtype === 'float32') return input;
  return cast(g, dtype === 'bfloat16' ? bitCast(g, input, 'bfloat16') : input, 'float32');
}
