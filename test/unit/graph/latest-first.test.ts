/** Outputs in the order that lets activations go early. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Runtime, AWAKE_US, float32 } from '../../../src/engine/runtime.js';
import { gradientsOf } from '../../../src/graph/differentiate/gradients.js';
import { Graph } from '../../../src/graph/graph.js';
import { latestFirst } from '../../../src/graph/latest-first.js';
import { add, matmul, relu, sum } from '../../../src/graph/ops.js';
import type { Value } from '../../../src/graph/value.js';
import { randomValues } from '../../support/engine.js';

const [B, S, WIDTH] = [2, 3, 4];
const NAMES = ['first', 'second', 'third'];

/** Three layers, and the gradient by the weight of each. */
function chain(): { g: Graph; gradients: Value[] } {
  const g = new Graph('chain');
  let x = g.input('x', 'float32', [B, 'S', WIDTH]);
  const weights = NAMES.map((name) => g.input(name, 'float32', [WIDTH, WIDTH]));
  for (const weight of weights) x = relu(g, matmul(g, x, weight));
  return { g, gradients: gradientsOf(g, sum(g, x, [0, 1, 2]), weights) };
}

test('the way back meets the last layer first, so its gradient is named last', () => {
  const { g, gradients } = chain();
  assert.deepEqual(latestFirst(g, gradients), [0, 1, 2]);
  assert.deepEqual(latestFirst(g, [...gradients].reverse()), [2, 1, 0]);
  const late = add(g, gradients[2]!, gradients[2]!); // made last, but of what was ready first
  assert.deepEqual(latestFirst(g, [late, gradients[0]!]), [1, 0]);
});

test('a lean program yields the bits of a quick one', async (t) => {
  const runtime = new Runtime({ provider: 'cpu', threads: 1, deviceId: 0 });
  t.after(() => runtime.release());
  const feeds = {
    x: float32(randomValues(B * S * WIDTH, 1), [B, S, WIDTH]),
    ...Object.fromEntries(
      NAMES.map((name, i) => [name, float32(randomValues(WIDTH * WIDTH, 2 + i), [WIDTH, WIDTH])]),
    ),
  };
  const results = [];
  for (const memory of ['QUICK', 'LEAN'] as const) {
    const { g, gradients } = chain();
    for (const i of latestFirst(g, gradients)) g.output(`grad/${NAMES[i]!}`, gradients[i]!);
    const program = await runtime.prepare(g, AWAKE_US.SMALL, memory);
    const values = await program.run(feeds);
    results.push(NAMES.map((name) => values[`grad/${name}`]!.data));
  }
  assert.deepEqual(results[1], results[0]);
  assert.ok((results[0]![0] as Float32Array).some((value) => value !== 0));
});
