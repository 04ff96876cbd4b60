/** Three AdamW steps on the swap loss, whole, against PyTorch in float64. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Runtime } from '../../src/engine/runtime.js';
import { tokenBatch } from '../../src/energy/token-batch.js';
import { visibleRanges } from '../../src/model/context.js';
import { seededRandom } from '../../src/random.js';
import { toFloat32 } from '../../src/tensor/tensor.js';
import { ADAMW, adamwUpdate, clipFactor, freshState, globalNorm } from '../../src/training/adamw.js';
import { TrainingStep } from '../../src/training/step.js';
import {
  float64Values,
  GOLDEN_CASES,
  goldenDescription,
  goldenModel,
  goldenTensors,
} from '../support/bundles.js';
import { assertClose } from '../support/numbers.js';
import { row } from '../support/service.js';

/** Absolute; float32 against float64. */
const TOLERANCE = 1e-4;

for (const name of GOLDEN_CASES) {
  test(`${name}: losses, norms and parameters of three AdamW steps`, async (t) => {
    const { card, weights } = goldenModel(name);
    const { tau } = goldenDescription(name);
    const inputs = goldenTensors(name, 'inputs');
    const expected = goldenTensors(name, 'expected');
    const runtime = new Runtime({ provider: 'cpu', threads: 1, deviceId: 0 });
    t.after(() => runtime.release());
    const parameters = new Map([...weights].map(([key, tensor]) => [key, toFloat32(key, tensor).slice()]));
    const shapes = new Map([...weights].map(([key, { shape }]) => [key, shape]));
    const actions = inputs.get('actions')!;
    const [pairs, steps] = actions.shape as [number, number];
    const hidden = inputs.get('hidden')!;
    const mask = inputs.get('pad_mask');
    const contexts = Array.from({ length: pairs }, (_, i) => {
      const tokens = hidden.shape.length === 3 ? hidden.shape[1]! : 1;
      return {
        dtype: 'float32' as const,
        bytes: row(hidden, i).bytes,
        visible: visibleRanges(mask && row(mask, i).bytes, tokens),
      };
    });
    const batch = {
      rows: Int32Array.from({ length: pairs }, (_, i) => i),
      tokens: tokenBatch(contexts, card.state_dim),
      actions: toFloat32('actions', actions),
      others: new Map<string, Float32Array>(),
    };
    const terms = [{ term: { kind: 'swap', tau } as const, weight: 1 }];
    const step = new TrainingStep(runtime, card, terms, { pairs, steps, dropout: 0 }, parameters, shapes);
    const state = freshState(parameters);
    const losses: number[] = [];
    const norms: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { loss, gradients } = await step.run(batch, seededRandom(0));
      const norm = globalNorm(gradients);
      losses.push(loss);
      norms.push(norm);
      adamwUpdate(parameters, gradients, state, 1e-3, clipFactor(norm, 1), ADAMW);
    }
    assertClose(losses, float64Values(expected.get('adamw_losses')!), TOLERANCE, 'losses');
    assertClose(norms, float64Values(expected.get('adamw_grad_norms')!), TOLERANCE, 'norms');
    let compared = 0;
    for (const [key, values] of parameters) {
      const wanted = expected.get(`adamw/${key}`);
      assert.ok(wanted, key);
      assertClose(values, float64Values(wanted), TOLERANCE, key);
      compared++;
    }
    assert.equal(compared, weights.size);
  });
}
