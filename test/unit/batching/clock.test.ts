import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../../../src/batching/clock.js';

it('the system clock does not run a far timer at once, and a cleaned-up timer never', async () => {
  const fired: string[] = [];
  const cancelFar = systemClock.setTimer(1e12, () => fired.push('far'));
  const cancel = systemClock.setTimer(0, () => fired.push('cancelled'));
  cancel();
  const before = systemClock.nowMs();
  await new Promise<void>((resolve) => systemClock.setTimer(2, resolve));
  cancelFar();
  assert.deepEqual(fired, []);
  assert.ok(systemClock.nowMs() >= before);
});
