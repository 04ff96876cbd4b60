import assert from 'node:assert/strict';
import { it } from 'node:test';
import { collectAtRest } from '../../../src/serving/memory-at-rest.js';
import { FakeClock } from '../../support/fake-clock.js';

const MIB = 1024 ** 2;

it('collects once after a burst, not among calls, and not for a little', async () => {
  const clock = new FakeClock();
  const budget = { everTaken: 0 };
  let collections = 0;
  const end = collectAtRest(budget, clock, () => void collections++);
  budget.everTaken += 1 * MIB;
  await clock.advance(60_000);
  assert.equal(collections, 0, 'a little');
  for (let i = 0; i < 10; i++) {
    budget.everTaken += 40 * MIB;
    await clock.advance(5_000);
  }
  assert.equal(collections, 0, 'among calls');
  for (let i = 0; i < 2; i++) {
    budget.everTaken += 1 * MIB; // probes
    await clock.advance(5_000);
  }
  assert.equal(collections, 1, 'at rest');
  await clock.advance(600_000);
  assert.equal(collections, 1, 'once');
  budget.everTaken += 40 * MIB;
  await clock.advance(15_000);
  assert.equal(collections, 2, 'the next burst');
  end();
  budget.everTaken += 40 * MIB;
  await clock.advance(60_000);
  assert.equal(collections, 2, 'ended');
});
