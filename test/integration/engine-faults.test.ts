/** Poisoned items: the stage, the place and the one item are named, and nobody who shares the batch notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EncodeItem, TokenDType } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import { Fault } from '../../src/errors.js';
import { float32Tensor, toFloat32, type Tensor } from '../../src/tensor/tensor.js';
import { randomWeights, smallCard } from '../support/bundles.js';
import { chunks, context, randomValues, scoreAll, withRunner } from '../support/engine.js';
import { faultOf, valueOf } from '../support/outcomes.js';

const STEPS = 4;
const models = [smallCard(), smallCard({ architecture: 'global_context' })].map((card) => ({
  card,
  weights: randomWeights(card),
}));
const [cross, global] = models as [(typeof models)[0], (typeof models)[0]];

/** NaN, infinity and minus infinity as the words of each dtype. */
const POISON: Record<TokenDType, Record<string, number>> = {
  float32: { NaN: 0x7fc0_0000, Infinity: 0x7f80_0000, '-Infinity': 0xff80_0000 },
  float16: { NaN: 0x7e00, Infinity: 0x7c00, '-Infinity': 0xfc00 },
  bfloat16: { NaN: 0x7fc0, Infinity: 0x7f80, '-Infinity': 0xff80 },
};

/** The item with one value replaced by the bits `word`. */
function poisoned(item: EncodeItem, width: number, token: number, dim: number, word: number): EncodeItem {
  const bytes = item.bytes.slice();
  const words = item.dtype === 'float32' ? new Uint32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
  words[token * width + dim] = word;
  return { ...item, bytes };
}

for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
  test(`${dtype}: a token that is not finite is named and fails its own item alone`, async () => {
    await withRunner(cross, async (runner) => {
      const { card } = cross;
      const items = [0, 1, 2].map((slot) => context(card, slot, 5 + slot, { dtype }));
      const score = items.map(({ slot }) => chunks(card, [slot], 2, STEPS, slot));
      const clean = await scoreAll(runner, [items[0]!, items[2]!], [score[0]!, score[2]!]);
      for (const [name, word] of Object.entries(POISON[dtype])) {
        // token 4 of the sequence is row 3 of the visible ones
        const bad = { ...poisoned(items[1]!, card.state_dim, 4, 2, word), visible: [[1, 6]] as const };
        const { encoded, scored } = await runner.run({
          encode: [items[0]!, bad, items[2]!],
          score,
          release: [0, 1, 2],
        });
        const fault = faultOf(encoded[1]);
        assert.equal(fault.kind, 'invalid');
        assert.equal(fault.field, 'hidden');
        assert.equal(fault.found, `${name} at token 4, dim 2`);
        assert.equal(scored[1], encoded[1], 'its candidates fail with the same fault');
        assert.deepEqual([valueOf(scored[0]), valueOf(scored[2])], clean, 'bit for bit as without it');
      }
    });
  });
}

test('a masked token may hold anything', async () => {
  await withRunner(cross, async (runner) => {
    const item = poisoned(context(cross.card, 0, 6), cross.card.state_dim, 2, 0, POISON.float32['NaN']!);
    const visible = [[0, 2], [3, 6]] as const; // prettier-ignore
    const { scored } = await runner.run({
      encode: [{ ...item, visible }],
      score: [chunks(cross.card, [0], 1, STEPS)],
      release: [0],
    });
    assert.ok(valueOf(scored[0]).every(Number.isFinite));
  });
});

test('a context that is finite and overflows when squared is named as context_mapped', async () => {
  for (const model of models) {
    await withRunner(model, async (runner) => {
      const tokens = model === global ? 1 : 3;
      const huge = poisoned(context(model.card, 0, tokens), model.card.state_dim, tokens - 1, 1, 0x7149_f2ca); // 1e30
      const { encoded } = await runner.run({ encode: [huge], score: [], release: [0] });
      const fault = faultOf(encoded[0]);
      assert.equal(fault.field, 'context_mapped');
      assert.match(fault.found!, new RegExp(`token ${tokens - 1} \\(its values overflow`));
    });
  }
});

test('an action that is not finite is named by candidate, step and dim, and fails its own item alone', async () => {
  for (const { model, tokens } of [
    { model: cross, tokens: 5 },
    { model: global, tokens: 1 },
  ]) {
    await withRunner(model, async (runner) => {
      const { card } = model;
      const encode = [0, 1].map((slot) => context(card, slot, tokens));
      const good = [chunks(card, [0], 3, STEPS, 1), chunks(card, [1], 2, STEPS, 2)];
      const clean = await scoreAll(runner, encode, good);
      for (const [value, stage] of [
        [NaN, 'actions'],
        [Infinity, 'actions'],
        [-Infinity, 'actions'],
        [1e30, 'action_mapped'],
        [-1e19, 'action_mapped'],
      ] as const) {
        const bad = chunks(card, [0], 3, STEPS, 3);
        bad.actions[(2 * STEPS + 1) * card.action_dim + 2] = value;
        const score = [good[0]!, bad, good[1]!];
        const { scored } = await runner.run({ encode, score, release: [0, 1] });
        const fault = faultOf(scored[1]);
        assert.equal(fault.kind, 'invalid');
        assert.equal(fault.field, stage);
        assert.match(fault.found!, /candidate 2, step 1, dim 2/);
        assert.deepEqual([valueOf(scored[0]), valueOf(scored[2])], clean, 'bit for bit as without it');
      }
    });
  }
});

/** Weights with tensor `name` filled with `value`, of alternating sign. */
function planted(weights: ReadonlyMap<string, Tensor>, name: string, value: number): Map<string, Tensor> {
  const tensor = weights.get(name)!;
  const values = toFloat32(name, tensor).map((_, index) => (index % 2 === 0 ? value : -value));
  return new Map(weights).set(name, float32Tensor(tensor.shape, values));
}

/** Only one element, so that a NaN has one path to the result: through one unit of the activation. */
function plantedOne(weights: ReadonlyMap<string, Tensor>, name: string): Map<string, Tensor> {
  const tensor = weights.get(name)!;
  const values = toFloat32(name, tensor).slice();
  values[values.length - 1] = NaN;
  return new Map(weights).set(name, float32Tensor(tensor.shape, values));
}

const STAGES = {
  context_mapped: ['state_linear.fc1', 'state_linear.mlp_resnet_blocks.0.ffn.1', 'state_linear.fc2'],
  action_mapped: ['action_linear.fc1', 'action_linear.mlp_resnet_blocks.0.ffn.1', 'action_linear.fc2'],
  attention: ['cross.out_proj'],
  raw_steps: ['prediction_head.fc1', 'prediction_head.mlp_resnet_blocks.1.ffn.1', 'prediction_head.fc2'],
};

for (const activation of ['relu', 'silu'] as const) {
  for (const [stage, layers] of Object.entries(STAGES)) {
    test(`${activation}: overflow and NaN in the weights surface as ${stage}, never as a number`, async () => {
      const card = smallCard({ activation });
      const weights = randomWeights(card);
      for (const layer of layers) {
        const plantings = {
          // inside a trunk the next layer norm brings what is large and finite back to size, as it does in PyTorch
          ...(/fc2|out_proj/.test(layer) && { 'huge weight': planted(weights, `${layer}.weight`, 3e38) }),
          'one NaN weight': plantedOne(weights, `${layer}.weight`),
          'one NaN bias': plantedOne(weights, `${layer}.bias`),
        };
        for (const [what, bad] of Object.entries(plantings)) {
          await withRunner({ card, weights: bad }, async (runner) => {
            const { encoded, scored } = await runner.run({
              encode: [context(card, 0, 5)],
              score: [chunks(card, [0], 3, STEPS)],
              release: [0],
            });
            const outcome = stage === 'context_mapped' ? encoded[0] : scored[0];
            assert.ok(outcome && !outcome.ok, `${what} in ${layer} passed as ${JSON.stringify(outcome)}`);
            const { fault } = outcome;
            assert.equal(fault.field, stage, `${what} in ${layer}: ${fault.summary}`);
            assert.match(fault.found!, stage === 'context_mapped' ? /token \d/ : /candidate \d, step \d/);
          });
        }
      }
    });
  }
}

test('queries that are not finite are not kept: they fail with each context that meets them', async () => {
  const { card } = cross;
  const weights = plantedOne(cross.weights, 'action_linear.fc1.bias');
  await withRunner({ card, weights }, async (runner) => {
    const encode = [context(card, 0, 3), context(card, 1, 3)];
    await runner.run({ encode, score: [], release: [] });
    for (const slot of [0, 1]) {
      const part = { work: 2, first: 0, candidates: 3 };
      const score = [{ ...chunks(card, [slot], 3, STEPS, 1), part }];
      const { scored } = await runner.run({ encode: [], score, release: [] });
      assert.equal(faultOf(scored[0]).field, 'action_mapped', `context ${slot}`);
    }
  });
});

test('global_context: overflow and NaN in the weights surface too', async () => {
  const stages = {
    context_mapped: ['proj_hidden'],
    action_mapped: ['action_proj'],
    raw_steps: ['model.fc1', 'model.mlp_resnet_blocks.1.ffn.1', 'model.fc2'],
  };
  for (const [stage, layers] of Object.entries(stages)) {
    for (const layer of layers) {
      for (const bad of [
        planted(global.weights, `${layer}.weight`, 3e38),
        plantedOne(global.weights, `${layer}.weight`),
        plantedOne(global.weights, `${layer}.bias`),
      ]) {
        await withRunner({ card: global.card, weights: bad }, async (runner) => {
          const { scored } = await runner.run({
            encode: [context(global.card, 0, 1)],
            score: [chunks(global.card, [0], 3, STEPS)],
            release: [0],
          });
          assert.equal(faultOf(scored[0]).field, stage, layer);
        });
      }
    }
  }
});

test('an engine whose model is not finite even on zeros does not start, and says at which stage', async () => {
  const weights = plantedOne(cross.weights, 'cross.out_proj.bias');
  for (const provider of ['cpu', 'auto'] as const) {
    await assert.rejects(startEngine({ card: cross.card, weights }, { provider, threads: 1 }), (error) => {
      assert.ok(error instanceof Fault);
      assert.equal(error.kind, 'invalid');
      assert.equal(error.field, 'attention');
      return true;
    });
  }
});

test('malformed items fail alone, by field', async () => {
  await withRunner(cross, async (runner) => {
    const { card } = cross;
    const good = context(card, 0, 3);
    const bytes = good.bytes;
    const score = chunks(card, [0], 2, STEPS);
    const { encoded, scored } = await runner.run({
      encode: [
        good,
        { ...good, slot: 1, bytes: bytes.subarray(1) },
        { ...good, slot: 2, visible: [] },
        { ...good, slot: 3, visible: [[0, 4]] },
        { ...good, slot: 4, visible: [[1, 2], [1, 3]] }, // prettier-ignore
        { ...good, slot: 5, visible: [[2, 2]] },
      ],
      score: [
        score,
        { ...score, actions: score.actions.subarray(1) },
        { ...score, candidates: 0, actions: new Float32Array(0) },
        { ...score, slots: [] },
        { ...score, slots: [99] },
        { ...score, slots: [0, 1] },
      ],
      release: [0],
    });
    assert.equal(valueOf(encoded[0]).bytes, 3 * 2 * card.hidden * 4);
    assert.deepEqual(
      encoded.slice(1).map((outcome) => faultOf(outcome).field),
      ['hidden', 'pad_mask', 'hidden', 'hidden', 'hidden'],
    );
    assert.ok(valueOf(scored[0]).every(Number.isFinite));
    const faults = scored.slice(1).map(faultOf);
    assert.deepEqual(
      faults.map(({ field }) => field),
      ['actions', 'actions', 'slots', undefined, 'hidden'],
    );
    assert.equal(faults[3]!.message, 'slot 99 holds no encoded context');
  });
});

test('a matrix with one bad context fails as a whole; the same contexts serve others in the batch', async () => {
  await withRunner(cross, async (runner) => {
    const { card } = cross;
    const encode = [context(card, 0, 3), poisoned(context(card, 1, 3), card.state_dim, 0, 0, 0x7fc0_0000)];
    const actions = randomValues(2 * STEPS * card.action_dim, 9);
    const { scored } = await runner.run({
      encode,
      score: [
        { slots: [0, 1], actions, candidates: 2, steps: STEPS },
        { slots: [0], actions, candidates: 2, steps: STEPS },
      ],
      release: [0, 1],
    });
    assert.equal(faultOf(scored[0]).field, 'hidden');
    assert.equal(valueOf(scored[1]).length, 2 * STEPS);
  });
});
