/** A model with a planted fault for each probe of the doctor, and healthy ones on which it is silent. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData, type CalibrationData } from '../../../src/calibration/data/calibration-data.js';
import { examine } from '../../../src/calibration/doctor/examine.js';
import type { Finding } from '../../../src/calibration/doctor/probe.js';
import type { Engine } from '../../../src/engine/engine.js';
import { startEngine } from '../../../src/engine/start.js';
import { cardSchema, type ModelCard } from '../../../src/model/card.js';
import { float32Tensor, makeTensor, toFloat32, type Tensor } from '../../../src/tensor/tensor.js';
import { goldenModel, randomWeights, type GoldenCase } from '../../support/bundles.js';
import { ACTION_DIM, STEPS, syntheticCard, syntheticTensors, TOKENS } from './synthetic.js';

const GRIPPER = { index: 6, coding: 'zero_one' };
type Edit = (values: Float32Array, shape: readonly number[]) => void;

/** A golden model whose card declares its actions; `edits` change weights, `changes` the card. */
function model(
  name: GoldenCase,
  edits: Readonly<Record<string, Edit>> = {},
  changes: Record<string, unknown> = {},
): { card: ModelCard; weights: Map<string, Tensor> } {
  const golden = goldenModel(name);
  const actions = { units: 'normalized_q99', gripper: GRIPPER };
  const card = cardSchema.parse({ ...golden.card, actions, ...changes });
  const weights = new Map(golden.weights);
  for (const [key, edit] of Object.entries(edits)) {
    const { shape, ...tensor } = weights.get(key)!;
    const values = toFloat32(key, { shape, ...tensor }).slice();
    edit(values, shape);
    weights.set(key, float32Tensor(shape, values));
  }
  return { card, weights };
}

async function findings(
  { card, weights }: { card: ModelCard; weights: Map<string, Tensor> },
  { data, wrap = (engine) => engine }: { data?: CalibrationData; wrap?: (engine: Engine) => Engine } = {},
): Promise<Map<string, Finding>> {
  const engine = await startEngine({ card, weights }, { provider: 'cpu', threads: 1 });
  try {
    const found = await examine({ engine: wrap(engine), card, weights, ...(data ? { data } : {}) });
    return new Map(found.map((finding) => [finding.probe, finding]));
  } finally {
    await engine.close();
  }
}

function assertLevel(found: Map<string, Finding>, probe: string, level: Finding['level']): void {
  const finding = found.get(probe);
  assert.equal(finding?.level, level, `${probe}: ${JSON.stringify(finding)}`);
  if (level === 'ok') return;
  assert.notEqual(finding.measured, '');
  assert.notEqual(finding.means, '');
}

function wrapped(engine: Engine, run: Engine['run']): Engine {
  return { info: engine.info, failed: engine.failed, close: () => engine.close(), run };
}

const zero: Edit = (values) => values.fill(0);
const times =
  (factor: number): Edit =>
  (values) =>
    values.forEach((value, i) => (values[i] = value * factor));

describe('the doctor is silent on a healthy model', () => {
  for (const name of ['cross_relu_sigmoid', 'cross_silu_linear', 'global_silu_half_square'] as const) {
    it(name, async () => {
      const found = await findings(model(name));
      const loud = [...found.values()].filter(({ level }) => level === 'warning' || level === 'failure');
      assert.deepEqual(loud, []);
    });
  }

  it('and says that cross-attention cannot see the scale of a chunk, as a trait', async () => {
    assertLevel(await findings(model('cross_relu_sigmoid')), 'scale and shift', 'note');
    assertLevel(await findings(model('global_silu_half_square')), 'scale and shift', 'ok');
  });
});

describe('the doctor finds', () => {
  it('a model without actions', async () => {
    const found = await findings(model('global_silu_half_square', { 'action_proj.weight': zero }));
    assertLevel(found, 'actions', 'failure');
    assertLevel(found, 'layers', 'failure');
  });

  it('a model blind to scale and shift that should see them', async () => {
    const standardised: (engine: Engine) => Engine = (engine) =>
      wrapped(engine, (batch) =>
        engine.run({
          ...batch,
          score: batch.score.map((item) => ({ ...item, actions: standardisedSteps(item.actions) })),
        }),
      );
    const found = await findings(model('global_silu_half_square'), { wrap: standardised });
    assertLevel(found, 'scale and shift', 'failure');
  });

  it('a model that does not see the gripper', async () => {
    const blind: Edit = (values, [rows, columns]) => {
      for (let row = 0; row < rows!; row++) values[row * columns! + GRIPPER.index] = 0;
    };
    const found = await findings(model('global_silu_half_square', { 'action_proj.weight': blind }));
    assertLevel(found, 'gripper', 'failure');
    assertLevel(found, 'actions', 'ok');
  });

  it('a readout that orders chunks unlike the raw values, of which only data can say more', async () => {
    const found = await findings(
      model('cross_relu_sigmoid', { 'prediction_head.fc2.bias': (v) => v.fill(200) }),
    );
    assertLevel(found, 'saturation', 'note');
    assert.match(
      found.get('saturation')!.measured,
      /100 percent of per-step values .* 99\.\d percent of the pairs/,
    );
  });

  it('a head that has run away', async () => {
    const head = { 'prediction_head.fc2.weight': times(1e5) };
    assertLevel(await findings(model('cross_silu_linear', head)), 'layers', 'failure');
  });

  it('that nobody knows without data whether it tells right from wrong', async () => {
    assertLevel(await findings(model('cross_relu_sigmoid')), 'experts against swaps', 'note');
  });

  it('energies that state no preference at the temperature', async () => {
    const found = await findings(model('cross_relu_sigmoid', {}, { tau: 50 }));
    assertLevel(found, 'spread', 'warning');
  });

  it('tokens, and so a mask, without effect', async () => {
    const values: Edit = (weights, [rows, columns]) => weights.fill(0, (2 * rows! * columns!) / 3);
    const found = await findings(model('cross_relu_sigmoid', { 'cross.in_proj_weight': values }));
    assertLevel(found, 'mask', 'failure');
    assertLevel(found, 'context', 'failure');
  });

  it('a mask that does not hold', async () => {
    const leaky: (engine: Engine) => Engine = (engine) =>
      wrapped(engine, (batch) =>
        engine.run({
          ...batch,
          encode: batch.encode.map((item) => ({ ...item, visible: [[0, 32] as const] })),
        }),
      );
    const found = await findings(model('cross_relu_sigmoid'), { wrap: leaky });
    assertLevel(found, 'mask holds', 'failure');
    assertLevel(found, 'mask', 'failure');
  });

  it('steps without order', async () => {
    const same: Edit = (values, [rows, columns]) => {
      for (let row = 1; row < rows!; row++) values.copyWithin(row * columns!, 0, columns);
    };
    const found = await findings(model('global_silu_half_square', { 'pos_emb.weight': same }));
    assertLevel(found, 'order of steps', 'failure');
  });

  it('answers that differ from run to run', async () => {
    let call = 0;
    const noisy: (engine: Engine) => Engine = (engine) =>
      wrapped(engine, async (batch) => {
        const result = await engine.run(batch);
        call++;
        const jitter = (raw: Float32Array): Float32Array =>
          raw.map((v, i) => v + 0.1 * Math.sin(i * 7 + call));
        const scored = result.scored.map((o) => (o.ok ? { ok: true as const, value: jitter(o.value) } : o));
        return { ...result, scored };
      });
    assertLevel(await findings(model('cross_relu_sigmoid'), { wrap: noisy }), 'repeatability', 'failure');
  });

  it('a dead layer, an exploded one, and units that can never fire', async () => {
    const dead = await findings(model('cross_relu_sigmoid', { 'state_linear.fc2.weight': times(1e-5) }));
    assert.match(dead.get('layers')!.measured, /state_linear\.fc2\.weight is dead/);
    const exploded = await findings(model('cross_relu_sigmoid', { 'action_linear.fc1.weight': times(1e4) }));
    assert.match(exploded.get('layers')!.measured, /action_linear\.fc1\.weight has exploded/);
    const silent = await findings(
      model('cross_relu_sigmoid', { 'state_linear.fc1.bias': (v) => v.fill(-100) }),
    );
    assert.match(
      silent.get('layers')!.measured,
      /32 of 32 units of state_linear\.fc1\.weight can never fire/,
    );
  });
});

describe('the doctor finds in data', () => {
  const rows = 20;

  /** Findings about data alone: the weights are those of a small sound model of the card's dims. */
  async function about(
    tensors: Map<string, Tensor>,
    changes: Record<string, unknown> = {},
  ): Promise<Map<string, Finding>> {
    const used = syntheticCard(changes);
    const data = await calibrationData([memoryColumns('file', tensors)], used);
    return findings({ card: used, weights: randomWeights(used) }, { data });
  }

  function actions(of: (value: number, dim: number) => number): Map<string, Tensor> {
    const tensors = syntheticTensors(rows, 1);
    const values = new Float32Array(tensors.get('actions')!.bytes.slice().buffer);
    const changed = values.map((value, i) => of(value, i % ACTION_DIM));
    return tensors.set('actions', float32Tensor([rows, STEPS, ACTION_DIM], changed));
  }

  function mask(of: (token: number) => number): Map<string, Tensor> {
    const bytes = Uint8Array.from({ length: rows * TOKENS }, (_, i) => of(i % TOKENS));
    return syntheticTensors(rows, 1).set('pad_mask', makeTensor('pad_mask', 'bool', [rows, TOKENS], bytes));
  }

  it('nothing when they are sound', async () => {
    const found = await about(mask((token) => (token === 3 ? 1 : 0)));
    for (const probe of ['units', 'one-token contexts', 'mask in the data']) assertLevel(found, probe, 'ok');
  });

  it('units that do not look like the declared ones', async () => {
    assertLevel(await about(actions((value, dim) => (dim === 6 ? value : value * 0.02))), 'units', 'failure');
    assertLevel(await about(actions((value, dim) => (dim === 6 ? value : value * 40))), 'units', 'failure');
    assertLevel(await about(actions((value, dim) => (dim === 6 ? value * 40 : value))), 'units', 'failure');
    const raw = { actions: { units: 'raw', gripper: GRIPPER } };
    assertLevel(
      await about(
        actions((value, dim) => (dim === 6 ? value : Math.tanh(value * 3))),
        raw,
      ),
      'units',
      'warning',
    );
    assertLevel(
      await about(
        actions((value) => value),
        { actions: { units: 'unspecified' } },
      ),
      'units',
      'warning',
    );
  });

  it('contexts of one token', async () => {
    assertLevel(await about(mask((token) => (token === 0 ? 0 : 1))), 'one-token contexts', 'failure');
  });

  it('a mask that hides nothing, or nearly all', async () => {
    assertLevel(await about(mask(() => 0)), 'mask in the data', 'warning');
    assertLevel(await about(mask(() => 1)), 'mask in the data', 'warning');
  });
});

/** Each step of A values to mean 0 and deviation 1, as a layer norm over the dims would. */
function standardisedSteps(actions: Float32Array): Float32Array {
  const out = actions.slice();
  for (let start = 0; start < out.length; start += ACTION_DIM) {
    const step = out.subarray(start, start + ACTION_DIM);
    const mean = step.reduce((sum, value) => sum + value, 0) / ACTION_DIM;
    const deviation = Math.sqrt(step.reduce((sum, value) => sum + (value - mean) ** 2, 0) / ACTION_DIM);
    step.forEach((value, i) => (step[i] = (value - mean) / deviation));
  }
  return out;
}
