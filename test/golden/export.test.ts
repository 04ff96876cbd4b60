/** The exported single graph, run by ONNX Runtime itself, against golden vectors; and against the factorised graphs by way of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceSession, Tensor as OrtTensor } from '../../src/engine/onnx-runtime.js';
import { SINGLE_GRAPH_OPSET, singleGraph } from '../../src/energy/single-graph.js';
import { writeOnnx } from '../../src/graph/onnx.js';
import { toFloat32 } from '../../src/tensor/convert.js';
import type { Tensor } from '../../src/tensor/tensor.js';
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
    const bytes = writeOnnx(singleGraph(card, weights, steps), { opset: SINGLE_GRAPH_OPSET });
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
