/** Execution providers by name and by `auto`, on whatever this machine has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, Provider } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import { Fault } from '../../src/errors.js';
import { randomWeights, smallCard } from '../support/bundles.js';

const card = smallCard();
const model = { card, weights: randomWeights(card) };

async function open(provider: Provider | 'auto'): Promise<Engine | Fault> {
  try {
    return await startEngine(model, { provider, threads: 1 });
  } catch (error) {
    assert.ok(error instanceof Fault);
    return error;
  }
}

for (const provider of ['cuda', 'webgpu'] as const) {
  test(`${provider} by name is used or refused with a reason, never replaced`, async () => {
    const opened = await open(provider);
    if (opened instanceof Fault) {
      assert.equal(opened.kind, 'precondition');
      assert.equal(opened.field, 'provider');
      assert.ok((opened.found ?? '').length > 10, `a reason, found ${opened.found}`);
      assert.match(opened.message, new RegExp(`execution provider ${provider} cannot be used`));
    } else {
      await opened.close();
      assert.equal(opened.info.provider, provider);
      assert.deepEqual(opened.info.refused, []);
    }
  });
}

test('auto says what it tried before the provider that it took', async () => {
  const engine = await open('auto');
  assert.ok(!(engine instanceof Fault));
  await engine.close();
  const { provider, refused } = engine.info;
  const tried = { cuda: [], webgpu: ['cpu', 'cuda'], cpu: ['cuda', 'webgpu'] }[provider];
  assert.deepEqual(refused.map((each) => each.provider).sort(), tried);
  for (const { reason } of refused) assert.ok(reason.length > 10, `a reason, found ${reason}`);
});
