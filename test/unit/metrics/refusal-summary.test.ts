/** What the log says while requests are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from 'pino';
import { createMetrics } from '../../../src/metrics/metrics.js';
import { logRefusals } from '../../../src/metrics/refusal-summary.js';
import { FakeClock } from '../../support/fake-clock.js';

test('one line a minute while requests are refused, none otherwise', async () => {
  const { rejections } = createMetrics(() => []);
  const clock = new FakeClock();
  const lines: unknown[] = [];
  const log = { info: (line: unknown) => void lines.push(line) } as unknown as Pick<Logger, 'info'>;
  const stop = logRefusals({ rejections }, log, clock);
  const said = async (): Promise<unknown[]> => {
    await clock.advance(60_000);
    return lines.splice(0);
  };
  assert.deepEqual(await said(), []);
  rejections.inc({ model: 'a', reason: 'late' }, 3);
  rejections.inc({ model: 'b', reason: 'late' }, 4);
  rejections.inc({ model: 'a', reason: 'queue_full' });
  assert.deepEqual(await said(), [{ refused: 8, seconds: 60, reasons: { late: 7, queue_full: 1 } }]);
  assert.deepEqual(await said(), []);
  rejections.inc({ model: 'a', reason: 'late' }, 2);
  assert.deepEqual(await said(), [{ refused: 2, seconds: 60, reasons: { late: 2 } }]);
  stop();
  assert.equal(clock.pending, 0);
});
