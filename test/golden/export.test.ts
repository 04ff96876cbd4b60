/** The exported graphs, run by ONNX Runtime itself, against golden vectors; and against the factorised graphs by way of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceSession, Tensor as OrtTensor } from '../../src/engine/onnx-runtime.js';
import { rankingGraph, EXPORT_OPSET, singleGraph } from '../../src/energy/exported-graphs.js';
import { writeOnnx } from '../../src/graph/onnx.js';
import { toFloat32, type Tensor } from '../../src/tensor/tensor.js';
import { float64Values, GOLDEN_CASES, goldenModel, goldenTensors } from '../support/bundles.js';
import { assertClose } from '../support/numbers.js';

function ortFloats(tensor: Tensor): OrtTensor {
  return new OrtTensor('float32', toFloat32('input', tensor), tensor.shape);
}

for (const name of GOLDEN_CASES) {
  test(`${name}: the single graph agrees with the golden vectors`, async (t) => {
    const { card, weights } = goldenModel(name);
    const inputs = goldenTensors(name, 'inputs');
    const expected = goldenTensors(name, 'expected');
    const hidden = inputs.get('hidden')!;
    const actions = inputs.get('actions')!;
    const steps = actions.shape[1]!;
    const bytes = writeOnnx(singleGraph(card, weights, steps), { opset: EXPORT_OPSET });
    const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
    t.after(() => session.release());
    const feeds: Record<string, OrtTensor> = { hidden: ortFloats(hidden), actions: ortFloats(actions) };
    if (card.architecture === 'cross_attention') {
      const shape = hidden.shape.slice(0, 2);
      const mask = inputs.get('pad_mask')?.bytes ?? new Uint8Array(shape[0]! * shape[1]!);
      feeds['pad_mask'] = new OrtTensor('bool', mask, shape);
    }
    assert.deepEqual([...session.inputNames].sort(), Object.keys(feeds).sort());
    const { energy, steps: stepValues } = await session.run(feeds);
    assertClose(energy!.data as Float32Array, float64Values(expected.get('energy')!), 2e-5, 'energy');
    assertClose(stepValues!.data as Float32Array, float64Values(expected.get('steps')!), 2e-5, 'steps');
  });
}

for (const name of GOLDEN_CASES) {
  test(`${name}: the ranking graph agrees with the golden vectors, one context by all chunks at a time`, async (t) => {
    const { card, weights } = goldenModel(name);
    const inputs = goldenTensors(name, 'inputs');
    const matrix = float64Values(goldenTensors(name, 'expected').get('matrix')!);
    const hidden = inputs.get('hidden')!;
    const actions = inputs.get('actions')!;
    const [B, steps] = actions.shape as [number, number, number];
    const bytes = writeOnnx(rankingGraph(card, weights, steps), { opset: EXPORT_OPSET });
    const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
    t.after(() => session.release());
    const shape = hidden.shape.slice(1);
    const values = toFloat32('hidden', hidden);
    const width = values.length / B;
    for (let i = 0; i < B; i++) {
      const feeds: Record<string, OrtTensor> = {
        hidden: new OrtTensor('float32', values.slice(i * width, (i + 1) * width), shape),
        actions: ortFloats(actions),
      };
      if (card.architecture === 'cross_attention') {
        const S = shape[0]!;
        const mask = inputs.get('pad_mask')?.bytes.slice(i * S, (i + 1) * S) ?? new Uint8Array(S);
        feeds['pad_mask'] = new OrtTensor('bool', mask, [S]);
      }
      assert.deepEqual([...session.inputNames].sort(), Object.keys(feeds).sort());
      const { energy, steps: stepValues } = await session.run(feeds);
      assertClose(energy!.data as Float32Array, matrix.subarray(i * B, (i + 1) * B), 2e-5, `context ${i}`);
      assert.deepEqual([...stepValues!.dims], [B, steps]);
    }
  });
}
