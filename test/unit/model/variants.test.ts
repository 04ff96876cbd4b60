/** Variants of a model that its state dict tells: no norm over the actions, learned weights of the steps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../../src/errors.js';
import { checkBundle } from '../../../src/model/bundle.js';
import { bundleFromCheckpoint, type Declared } from '../../../src/model/declare.js';
import { learnedWeights } from '../../../src/model/energy.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import { randomWeights, smallCard } from '../../support/bundles.js';

const DECLARED: Declared = { name: 'm', heads: 2, activation: 'relu', readout: { kind: 'sigmoid' } };
const LOGITS = Float32Array.of(0.5, -1, 2, 0);

function without(weights: Map<string, Tensor>, ...names: readonly string[]): Map<string, Tensor> {
  for (const name of names) assert.ok(weights.delete(name), name);
  return weights;
}

function refused(work: () => unknown, ...wanted: readonly RegExp[]): void {
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof Fault && error.kind === 'invalid', String(error));
    for (const each of wanted) assert.match(error.message, each);
    return true;
  });
}

test('without the norm over the actions the card says so; half a norm is a missing key', () => {
  const norm = ['action_linear.layer_norm1.weight', 'action_linear.layer_norm1.bias'] as const;
  const { card } = bundleFromCheckpoint(without(randomWeights(smallCard()), ...norm), DECLARED);
  assert.ok(card.architecture === 'cross_attention');
  assert.equal(card.action_norm, 'none');
  const half = without(randomWeights(smallCard()), norm[0]);
  refused(() => bundleFromCheckpoint(half, DECLARED), /action_linear\.layer_norm1\.weight.*missing tensor/);
  refused(
    () => checkBundle('m', smallCard({ action_norm: 'none' }), randomWeights(smallCard())),
    /action_norm/,
  );
});

test('learned weights of the steps become the pool of the card, and must stay what the parameter says', () => {
  const weights = randomWeights(smallCard()).set('step_weights', float32Tensor([4], LOGITS));
  const { card } = bundleFromCheckpoint(weights, DECLARED);
  assert.equal(card.chunk, 4);
  assert.ok(card.pool.kind === 'weighted' && card.pool.learned);
  const sum = [0.5, -1, 2, 0].reduce((total, logit) => total + Math.exp(logit), 0);
  for (const [t, weight] of card.pool.weights!.entries()) {
    assert.ok(Math.abs(weight - Math.exp(LOGITS[t]!) / sum) < 1e-15);
  }
  refused(
    () => bundleFromCheckpoint(weights, { ...DECLARED, pool: { kind: 'mean' }, chunk: 5 }),
    /pool: the checkpoint has learned weights/,
    /chunk: contradicts the length of step_weights/,
  );
  const others = { ...card, pool: { ...card.pool, weights: learnedWeights([0, 0, 0, 0]) } };
  refused(() => checkBundle('m', others, weights), /pool\.weights\.0: not the softmax of step_weights/);
  refused(() => checkBundle('m', { ...card, pool: { kind: 'mean' } }, weights), /pool\.learned/);
});

test('a windowed maximum needs a window that a chunk has', () => {
  const card = smallCard({ chunk: 4, pool: { kind: 'windowed_max', window: 5 } });
  refused(() => checkBundle('m', card, randomWeights(card)), /pool\.window: .*window 5, chunk 4.*1 to 4/);
  const { readout, ...declared } = DECLARED;
  assert.throws(() => smallCard({ pool: { kind: 'windowed_max', window: 0 } }), /window/);
  const { card: imported } = bundleFromCheckpoint(randomWeights(smallCard()), {
    ...{ ...declared, readout: readout! },
    pool: { kind: 'windowed_max', window: 2 },
  });
  assert.deepEqual(imported.pool, { kind: 'windowed_max', window: 2 });
});
