/** The open loop: every call that is due is sent, a stall is charged to the calls that had to wait, faults are counted. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { percentile, summarize, runOpenLoop } from '../../src/client/load-loops.js';
import { Fault } from '../../src/errors.js';

test('sends every call that is due, each once and in order', async () => {
  const sent: number[] = [];
  const result = await runOpenLoop({
    rate: 500,
    durationMs: 100,
    concurrency: 4,
    send: (index) => Promise.resolve(sent.push(index)),
  });
  assert.deepEqual(
    sent,
    Array.from({ length: 50 }, (_, i) => i),
  );
  assert.equal(result.due, 50);
  assert.equal(result.latenciesMs.length, 50);
});

test('a stall is charged to every call that was due meanwhile', async () => {
  const { latenciesMs } = await runOpenLoop({
    rate: 100,
    durationMs: 200,
    concurrency: 1,
    send: (index) => (index === 0 ? delay(150) : Promise.resolve()),
  });
  // calls 1 to 10 were due 10 to 100 ms after the start and waited for call 0: by their own time they took nothing
  for (const latency of latenciesMs.slice(1, 11)) assert.ok(latency >= 45, `${latency} ms`);
});

test('never more than `concurrency` calls under way', async () => {
  let underWay = 0;
  let most = 0;
  await runOpenLoop({
    rate: 2000,
    durationMs: 50,
    concurrency: 3,
    send: async () => {
      most = Math.max(most, ++underWay);
      await delay(2);
      underWay--;
    },
  });
  assert.equal(most, 3);
});

test('counts faults by kind, and keeps one message of each', async () => {
  const result = await runOpenLoop({
    rate: 1000,
    durationMs: 10,
    concurrency: 10,
    send: (index) =>
      index % 2 === 0 ? Promise.resolve() : Promise.reject(new Fault('exhausted', `full at ${index}`)),
  });
  assert.deepEqual(result.errors, { exhausted: 5 });
  assert.deepEqual(result.examples, { exhausted: 'full at 1' });
  assert.equal(result.latenciesMs.length, 5);
});

test('an abort ends it after the calls under way', async () => {
  const abort = new AbortController();
  let ended = 0;
  const result = await runOpenLoop({
    rate: 100,
    durationMs: 60_000,
    concurrency: 2,
    signal: abort.signal,
    send: async (index) => {
      if (index === 3) abort.abort();
      await delay(5);
      ended++;
    },
  });
  assert.equal(result.due, ended);
  assert.ok(result.due >= 4 && result.due < 100);
});

test('a percentile is a value that was met, with at least its share at or below', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, min: 0, max: 1e6 }), { minLength: 1 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, p) => {
        const sorted = Float64Array.from(values).sort();
        const value = percentile(sorted, p);
        assert.ok(values.includes(value));
        assert.ok(values.filter((each) => each <= value).length >= p * values.length);
        assert.ok(values.filter((each) => each < value).length <= p * values.length);
      },
    ),
  );
  assert.deepEqual(summarize([4, 1, 3, 2]), {
    count: 4,
    meanMs: 2.5,
    p50Ms: 2,
    p90Ms: 4,
    p99Ms: 4,
    maxMs: 4,
  });
});
