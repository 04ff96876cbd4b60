/** Cards and weights of a bundle against each other: what follows from the weights, and every contradiction by name. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { describeWeights } from '../../../src/model/architecture.js';
import { loadBundle, saveBundle } from '../../../src/model/bundle.js';
import { bundleFromCheckpoint, MissingDeclarations } from '../../../src/model/declare.js';
import { expectedParameters } from '../../../src/model/parameters.js';
import { parameterCount, weightValues } from '../../../src/model/weights.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import {
  GOLDEN_CASES,
  goldenDeclared,
  goldenDescription,
  goldenModel,
  goldenTensors,
  randomWeights,
  smallCard,
  withDirectory,
} from '../../support/bundles.js';
import { assertNames, faultText } from '../../support/fault-text.js';

const zeros = (...shape: number[]): Tensor =>
  float32Tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));

for (const name of GOLDEN_CASES) {
  test(`dims, blocks and every shape follow from the golden weights: ${name}`, () => {
    const { card, weights } = goldenModel(name);
    const { D, A, H } = goldenDescription(name).shapes;
    assert.equal(card.state_dim, D);
    assert.equal(card.action_dim, A);
    assert.equal(card.hidden, 32);
    if (card.architecture === 'cross_attention') {
      assert.deepEqual(card.blocks, { state: 1, action: 1, head: 2 });
    } else {
      assert.equal(card.layers, 4);
      assert.equal(card.chunk, H);
    }
    const expected = expectedParameters(card);
    assert.deepEqual(new Set(expected.keys()), new Set(weights.keys()));
    for (const [key, shape] of expected) assert.deepEqual(weights.get(key)!.shape, shape, key);
  });
}

test('the full-width model has the parameter count of the reference', () => {
  const card = smallCard({ state_dim: 4096, action_dim: 7, hidden: 512, heads: 8 });
  let count = 0;
  for (const shape of expectedParameters(card).values()) count += shape.reduce((a, b) => a * b, 1);
  assert.equal(count, 5_007_887);
});

test('missing, misspelt, unexpected and wrong-shaped keys are named together, the odd one out blamed', async () => {
  const tensors = goldenTensors('cross_relu_sigmoid', 'weights');
  const moved = tensors.get('state_linear.fc1.weight')!;
  tensors.delete('state_linear.fc1.weight');
  tensors.set('state_linear.fc_1.weight', moved);
  tensors.delete('prediction_head.mlp_resnet_blocks.0.ffn.1.bias');
  tensors.set('optimizer.step', zeros(1));
  tensors.set('cross.out_proj.weight', zeros(32, 33));
  const text = await faultText(() => bundleFromCheckpoint(tensors, goldenDeclared('cross_relu_sigmoid')));
  assertNames(
    text,
    '5 problems',
    /state_linear\.fc1\.weight: missing tensor; found "state_linear\.fc_1\.weight".*wanted \[32, 48\]/,
    /state_linear\.fc_1\.weight: unexpected tensor\. Did you mean "state_linear\.fc1\.weight"/,
    /prediction_head\.mlp_resnet_blocks\.0\.ffn\.1\.bias: missing tensor/,
    /optimizer\.step: unexpected/,
    /cross\.out_proj\.weight: wrong shape; found \[32, 33\]; wanted \[32, 32\]/,
  );
});

test('a file of a hundred thousand other keys is refused at once, in a message of bounded length', async () => {
  const tensors = goldenTensors('cross_relu_sigmoid', 'weights');
  for (let i = 0; i < 100_000; i++) tensors.set(`language_model.layers.${i}.mlp.gate_proj.weight`, zeros(1));
  const text = await faultText(() => bundleFromCheckpoint(tensors, goldenDeclared('cross_relu_sigmoid')));
  assertNames(text, '100000 problems', 'and 99800 more');
  assert.ok(text.length < 50_000);
});

test('keys below a prefix are recognised and the prefix named', async () => {
  const tensors = goldenTensors('global_silu_half_square', 'weights');
  const prefixed = new Map([...tensors].map(([key, tensor]) => [`energy_model.${key}`, tensor]));
  assertNames(await faultText(() => describeWeights('x.pt', prefixed)), 'x.pt', '--prefix energy_model.');
});

test('a file that is no energy model at all is refused with some of its keys', async () => {
  assertNames(
    await faultText(() => describeWeights('x.pt', new Map([['lm_head.weight', zeros(2)]]))),
    'lm_head',
  );
  assertNames(await faultText(() => describeWeights('x.pt', new Map())), 'no tensors');
});

test('everything undeclared is asked for at once, with the usual values', () => {
  const tensors = goldenTensors('cross_relu_sigmoid', 'weights');
  assert.throws(
    () => bundleFromCheckpoint(tensors, { name: 'x' }),
    (error: unknown) => {
      assert.ok(error instanceof MissingDeclarations);
      assert.deepEqual(
        error.missing.map(({ name, usual }) => [name, usual]),
        [
          ['heads', '8'],
          ['activation', 'relu'],
          ['readout', 'sigmoid'],
        ],
      );
      return true;
    },
  );
  const global = goldenTensors('global_silu_half_square', 'weights');
  assert.throws(
    () => bundleFromCheckpoint(global, { name: 'x', activation: 'silu' }),
    (error: unknown) => error instanceof MissingDeclarations && error.missing.length === 1,
  );
});

test('usual heads are 64 wide', () => {
  for (const [hidden, heads] of [
    [512, 8],
    [1024, 16],
  ] as const) {
    const card = smallCard({ hidden, heads });
    assert.throws(
      () => bundleFromCheckpoint(randomWeights(card), { name: 'x', activation: 'relu' }),
      (error: unknown) => error instanceof MissingDeclarations && error.missing[0]!.usual === String(heads),
    );
  }
});

test('heads or another chunk declared for a global_context model are refused together', async () => {
  const tensors = goldenTensors('global_silu_half_square', 'weights');
  const declared = { ...goldenDeclared('global_silu_half_square'), heads: 8, chunk: 10 };
  const text = await faultText(() => bundleFromCheckpoint(tensors, declared));
  assertNames(text, '2 problems', /heads: .*no attention/, /chunk: .*found 10; wanted 8/);
});

test('tau defaults to 1.0 for the linear readout and 0.5 otherwise', () => {
  const tensors = goldenTensors('cross_silu_linear', 'weights');
  const declared = { name: 'x', heads: 4, activation: 'silu' } as const;
  assert.equal(bundleFromCheckpoint(tensors, { ...declared, readout: { kind: 'linear' } }).card.tau, 1);
  assert.equal(bundleFromCheckpoint(tensors, { ...declared, readout: { kind: 'softplus' } }).card.tau, 0.5);
});

test('non-finite weights are named with position and count, every tensor of them', async () => {
  const card = smallCard();
  const weights = randomWeights(card);
  const poison = (key: string, ...at: [index: number, value: number][]): void => {
    const { shape } = weights.get(key)!;
    const values = weightValues(weights, key).slice();
    for (const [index, value] of at) values[index] = value;
    weights.set(key, float32Tensor(shape, values));
  };
  poison('state_linear.fc1.weight', [6 * 2 + 5, NaN], [20, Infinity]);
  poison('cross.in_proj_bias', [3, -Infinity]);
  const text = await faultText(() => saveBundle('/nowhere', card, weights));
  assertNames(
    text,
    /state_linear\.fc1\.weight\[2, 5\]: non-finite weight; found NaN, 2 of 48/,
    /cross\.in_proj_bias\[3\]: non-finite weight; found -Infinity, 1 of 24/,
  );
});

test('a card contradicting itself and its weights is refused with every contradiction', () =>
  withDirectory(async (directory) => {
    const card = smallCard({ hidden: 8, heads: 2 });
    const target = path.join(directory, 'm');
    await saveBundle(target, card, randomWeights(card));
    const wrong = {
      ...card,
      heads: 3,
      state_dim: 7,
      chunk: 4,
      blocks: { state: 1, action: 2, head: 2 },
      pool: { kind: 'weighted', weights: [1, 2, 3] },
      actions: {
        units: 'raw',
        bounds: { low: [0, 1], high: [1, 1, 1] },
        gripper: { index: 3, coding: 'zero_one' },
        names: ['x', 'x'],
      },
    };
    await writeFile(path.join(target, 'energy.json'), JSON.stringify(wrong));
    assertNames(
      await faultText(() => loadBundle(target)),
      '9 problems',
      /energy\.json: heads: does not divide hidden; found 3 heads, hidden 8/,
      /energy\.json: pool\.weights: .*3 weights, chunk 4/,
      /energy\.json: actions\.bounds\.low: .*2 entries, action_dim 3/,
      /energy\.json: actions\.bounds\.low\.1: .*low 1, high 1/,
      /energy\.json: actions\.gripper\.index: .*found 3; wanted 0 to 2/,
      /energy\.json: actions\.names: .*2 entries/,
      /energy\.json: actions\.names: a name stands twice; found x/,
      /energy\.json: state_dim: contradicts .*found 7; wanted 6/,
      /energy\.json: blocks\.action: contradicts .*found 2; wanted 1/,
    );
  }));

test('every schema problem of a card is reported, with file, path and what was there', () =>
  withDirectory(async (directory) => {
    const card = smallCard();
    await saveBundle(path.join(directory, 'm'), card, randomWeights(card));
    const file = path.join(directory, 'm', 'energy.json');
    const wrong = {
      ...card,
      mask_polarity: undefined,
      activation: 'gelu',
      tau: -1,
      state_dims: 6,
      readout: { kind: 'sigmoid', gain: 0 },
    };
    await writeFile(file, JSON.stringify(wrong));
    assertNames(
      await faultText(() => loadBundle(path.dirname(file))),
      '5 problems',
      file,
      /activation: .*found "gelu"/,
      /tau: .*found -1/,
      /mask_polarity: .*found nothing/,
      /state_dims: unknown key\. Did you mean "state_dim"/,
      /readout\.gain: .*found 0/,
    );
    await writeFile(file, '{ "format": ');
    assertNames(await faultText(() => loadBundle(path.dirname(file))), file, 'not JSON');
    await writeFile(file, JSON.stringify({ ...card, architecture: 'transformer' }));
    assertNames(await faultText(() => loadBundle(path.dirname(file))), 'architecture', 'transformer');
  }));

test('parameters are counted by shape', () => {
  assert.equal(
    parameterCount(
      new Map([
        ['a', zeros(3, 4)],
        ['b', zeros()],
      ]),
    ),
    13,
  );
});
