/** From raw per-step values to energies inside a graph: the card's readout and pooling, as `model/energy.ts` has them for numbers. */
import type { Graph } from '../graph/graph.js';
import { add, greater, matmul, mul, sigmoid, slice, softplus, sum, where } from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { ModelCard } from '../model/card.js';
import { checkWindow, poolWeights } from '../model/energy.js';
import { readoutOver } from '../model/readout.js';

/** The readout of every raw value, in its shape. */
export function stepEnergies(g: Graph, { readout }: ModelCard, raw: Value): Value {
  const math = {
    number: (value: number) => g.constant('readout', [1], Float32Array.of(value)),
    add: (a: Value, b: Value) => add(g, a, b),
    mul: (a: Value, b: Value) => mul(g, a, b),
    sigmoid: (x: Value) => sigmoid(g, x),
    softplus: (x: Value) => softplus(g, x),
  };
  return readoutOver(math, readout, raw);
}

/**
 * Per-step energies [..., H] to energies [...].
 *
 * @param learned weights [H] that are a value of the graph, in place of the card's
 */
export function pooled(g: Graph, { pool }: ModelCard, steps: Value, learned?: Value): Value {
  const count = steps.shape.at(-1) as number;
  if (pool.kind === 'windowed_max') return highestWindow(g, steps, pool.window);
  const weights = learned ?? g.constant('pool', [count], Float32Array.from(poolWeights(pool, count)));
  return sum(g, mul(g, steps, weights), [-1]);
}

/** The highest mean of `window` steps in a row. Of equal ones the derivative takes one. */
export function highestWindow(g: Graph, steps: Value, window: number): Value {
  const count = steps.shape.at(-1) as number;
  checkWindow(window, count);
  const axis = steps.shape.length - 1;
  const windows = count - window + 1;
  const mean = Float32Array.from({ length: count * windows }, (_, i) => {
    const [t, w] = [Math.floor(i / windows), i % windows];
    return t >= w && t < w + window ? 1 / window : 0;
  });
  let values = matmul(g, steps, g.constant('windows', [count, windows], mean)); // [..., windows]
  for (let left = windows; left > 1; left = Math.ceil(left / 2)) {
    // the two halves share their middle where the number is odd
    const half = Math.ceil(left / 2);
    const one = slice(g, values, axis, 0, half);
    const other = slice(g, values, axis, left - half, left);
    values = where(g, greater(g, one, other), one, other);
  }
  return sum(g, values, [-1]);
}
