/** The attacks of `npm run faults`, scaled down: what they may cost holds, and the server goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAttacks, SHORT, type Check } from '../support/attacks.js';

/** As the container images have it: without it the allocator may keep what was freed below a block in use (docs/limits.md). */
process.env['MALLOC_MMAP_THRESHOLD_'] ??= '131072';
process.env['MALLOC_TRIM_THRESHOLD_'] ??= '33554432';

test('hostile clients cost no more than is promised', async (context) => {
  const failed: Check[] = [];
  await runAttacks(SHORT, (check) => {
    context.diagnostic(`${check.done}: bound ${check.bound}; seen ${check.seen}`);
    if (!check.ok) failed.push(check);
  });
  assert.deepEqual(failed, []);
});
