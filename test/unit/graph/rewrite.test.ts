/** Rewritten graphs yield what the graph yields, run by ONNX Runtime. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph } from '../../../src/graph/graph.js';
import type { Value } from '../../../src/graph/value.js';
import { add, matmul, relu } from '../../../src/graph/ops.js';
import { padProducts } from '../../../src/graph/pad-products.js';
import { quantizeProducts } from '../../../src/graph/quantize.js';
import { InferenceSession, Tensor } from '../../../src/engine/onnx-runtime.js';
import { writeOnnx } from '../../../src/graph/onnx.js';
import { uniform } from '../../support/bundles.js';
import { assertClose } from '../../support/numbers.js';

const ROWS = 3;
const WIDE = 2048;
const NARROW = 8;
const random = uniform(3);
const values = (count: number): Float32Array => Float32Array.from({ length: count }, () => 2 * random() - 1);

/** Two products, one of them wide, with something between, and one by a value that is no constant. */
function sample(): Graph {
  const g = new Graph('sample');
  const x = g.input('x', 'float32', ['T', WIDE]);
  const first = matmul(g, x, g.constant('w', [WIDE, NARROW], values(WIDE * NARROW)));
  const bent: Value = relu(g, add(g, first, g.constant('b', [NARROW], values(NARROW))));
  const second = matmul(g, bent, g.constant('v', [NARROW, NARROW], values(NARROW * NARROW)));
  g.output('y', matmul(g, second, g.input('z', 'float32', [NARROW, 2])));
  return g;
}

async function run(graph: Graph): Promise<Float32Array> {
  const session = await InferenceSession.create(writeOnnx(graph), {
    intraOpNumThreads: 1,
    extra: { session: { x64quantprecision: '1' } }, // as src/engine/runtime.ts
  });
  try {
    const { y } = await session.run({
      x: new Tensor('float32', X, [ROWS, WIDE]),
      z: new Tensor('float32', Z, [NARROW, 2]),
    });
    return y!.data as Float32Array;
  } finally {
    await session.release();
  }
}

const X = values(ROWS * WIDE);
const Z = values(NARROW * 2);

test('padded products are the same products', async () => {
  const graph = sample();
  const padded = padProducts(graph);
  assert.deepEqual(
    padded.nodes.filter(({ op }) => op === 'Pad').map(({ outputs }) => outputs[0]!.shape),
    [['T', WIDE + 16]],
  );
  const wanted = await run(graph);
  assertClose(await run(padded), wanted, 1e-3 * Math.max(...wanted.map(Math.abs)), 'y');
});

test('8-bit products are near the products', async () => {
  const graph = sample();
  const wanted = await run(graph);
  const found = await run(quantizeProducts(graph));
  assert.notDeepEqual(found, wanted);
  assertClose(found, wanted, 0.05 * Math.max(...wanted.map(Math.abs)), 'y');
});
