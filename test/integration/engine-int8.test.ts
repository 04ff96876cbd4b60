/** `precision: int8`: near the exact energies, the same order, and no influence of one context on another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EncodeItem } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import { energiesFromRaw, rank } from '../../src/model/energy.js';
import { float32Tensor } from '../../src/tensor/tensor.js';
import { randomWeights, smallCard, uniform } from '../support/bundles.js';
import { assertClose } from '../support/numbers.js';

const TOKENS = 40;
const CANDIDATES = 16;
const STEPS = 8;

test('int8 ranks as float32 does, and a context scores the same whoever shares its batch', async (t) => {
  const card = smallCard({ state_dim: 64, hidden: 64, heads: 4, action_dim: 7 });
  const model = { card, weights: randomWeights(card, 5) };
  const exact = await startEngine(model, { provider: 'cpu', threads: 1 });
  t.after(() => exact.close());
  const int8 = await startEngine(model, { provider: 'cpu', threads: 1, precision: 'int8' });
  t.after(() => int8.close());
  assert.equal(int8.info.precision, 'int8');

  const random = uniform(9);
  const values = (count: number, scale: number): Float32Array =>
    Float32Array.from({ length: count }, () => scale * (2 * random() - 1));
  // the second context is a hundred times larger: with a shared scale it would flatten the first
  const contexts = [1, 100].map((scale, slot): EncodeItem => {
    const { bytes } = float32Tensor([TOKENS, 64], values(TOKENS * 64, scale));
    return { slot, dtype: 'float32', bytes, visible: [[0, TOKENS]], move: false };
  });
  const score = [
    { slots: [0], actions: values(CANDIDATES * STEPS * 7, 1), candidates: CANDIDATES, steps: STEPS },
  ];
  const raw = async (engine: typeof exact, encode: EncodeItem[]): Promise<Float32Array> => {
    const { scored } = await engine.run({ encode, score, release: encode.map(({ slot }) => slot) });
    assert.ok(scored[0]?.ok);
    return scored[0].value;
  };
  const logits = (values: Float32Array): Float64Array =>
    energiesFromRaw(values, STEPS, { readout: card.readout, pool: card.pool, score: 'logit' }).energies;

  const wanted = await raw(exact, [contexts[0]!]);
  const alone = await raw(int8, [contexts[0]!]);
  const together = await raw(int8, contexts);
  assert.notDeepEqual(alone, wanted, 'int8 is another arithmetic');
  assert.deepEqual(together, alone, 'bit for bit');
  const spread = Math.max(...logits(wanted)) - Math.min(...logits(wanted));
  assertClose(
    logits(alone),
    logits(wanted),
    0.1 * spread,
    'logit scores, against 10 percent of their spread',
  );
  assert.equal(rank(logits(alone))[0], rank(logits(wanted))[0]);
});
