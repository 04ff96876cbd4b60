/** When a connection has to go for the calls that its clients cancel. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Resets } from '../../../src/grpc/transport/resets.js';
import { FakeClock } from '../../support/fake-clock.js';

/** Calls that are cancelled, one each `everyMs`, until the connection has to go; `most` of them at most. */
async function cancelsUntilSpent(everyMs: number, most = 100_000): Promise<number> {
  const clock = new FakeClock();
  const resets = new Resets(clock);
  for (let count = 1; count <= most; count++) {
    if (resets.add()) return count;
    await clock.advance(everyMs);
  }
  return Infinity;
}

test('at once, half of what nghttp2 forgives', async () => {
  assert.equal(await cancelsUntilSpent(0), 500);
});

test('150 a second, long before nghttp2 has enough of 1,270', async () => {
  const count = await cancelsUntilSpent(1000 / 150);
  assert.ok(count > 500 && count < 700, String(count));
});

test('as many as nghttp2 forgives for ever are forgiven here, too', async () => {
  assert.equal(await cancelsUntilSpent(1000 / 33, 5_000), Infinity);
});
