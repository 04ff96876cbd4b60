/** From raw per-step values to energies inside a graph: the card's readout and pooling, as `model/energy.ts` has them for numbers. */
import type { Graph } from '../graph/graph.js';
import { add, mul, sigmoid, softplus, sum } from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { ModelCard } from '../model/card.js';
import { poolWeights } from '../model/energy.js';
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

/** Per-step energies [..., H] to energies [...]. */
export function pooled(g: Graph, { pool }: ModelCard, steps: Value): Value {
  const count = steps.shape.at(-1) as number;
  const weights = g.constant('pool', [count], Float32Array.from(poolWeights(pool, count)));
  return sum(g, mul(g, steps, weights), [-1]);
}
