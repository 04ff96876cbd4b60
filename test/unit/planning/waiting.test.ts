/** The queue M/G/1 against Erlang's formula for fixed times, the mean of Pollaczek and Khinchine, and a queue that is simulated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Waiting } from '../../../src/planning/waiting.js';
import { seededRandom } from '../../../src/random.js';

/** P(wait <= t) of M/D/1 (Erlang, 1909); its alternating sum is exact enough for a few services. */
function erlang(rate: number, service: number, t: number): number {
  let sum = 0;
  for (let k = 0; k <= Math.floor(t / service); k++) {
    const x = rate * (k * service - t);
    sum += (x ** k / factorial(k)) * Math.exp(-x);
  }
  return (1 - rate * service) * sum;
}

function factorial(k: number): number {
  return k < 2 ? 1 : k * factorial(k - 1);
}

for (const utilisation of [0.2, 0.5, 0.7]) {
  test(`one fixed time, ${utilisation} busy: quantiles of Erlang's M/D/1`, () => {
    const service = 10;
    const waiting = new Waiting(utilisation / service, [{ share: 1, ms: service }]);
    for (const p of [0.5, 0.9, 0.99]) {
      const wait = waiting.quantileMs(p) - service;
      // a cell is 10 / 64 ms; what is told is rounded up, by less than a cell a request that waits
      const above = erlang(utilisation / service, service, wait + 0.2);
      const below = erlang(utilisation / service, service, Math.max(0, wait - 0.8));
      assert.ok(above >= p - 1e-3, `p ${p}: ${wait} ms are too few, ${above}`);
      assert.ok(wait < 1 || below <= p + 1e-3, `p ${p}: ${wait} ms are too many, ${below}`);
    }
  });
}

/** Waiting and service of a queue, first come first served (Lindley). */
function simulate(ratePerMs: number, classes: readonly { share: number; ms: number }[]): number[] {
  const random = seededRandom(7, 'queue');
  const done: number[] = [];
  let wait = 0;
  for (let i = 0; i < 400_000; i++) {
    const u = random.uniform();
    const ms = u < classes[0]!.share ? classes[0]!.ms : classes[1]!.ms;
    done.push(wait + ms);
    wait = Math.max(0, wait + ms + Math.log(1 - random.uniform()) / ratePerMs);
  }
  return done.sort((a, b) => a - b);
}

for (const utilisation of [0.3, 0.6]) {
  test(`kept and fresh contexts, ${utilisation} busy: quantiles and mean of a simulated queue`, () => {
    const classes = [
      { share: 0.8, ms: 5 },
      { share: 0.2, ms: 33 },
    ];
    const rate = utilisation / (0.8 * 5 + 0.2 * 33);
    const waiting = new Waiting(rate, classes);
    const done = simulate(rate, classes);
    for (const p of [0.5, 0.9, 0.99]) {
      const found = waiting.quantileMs(p);
      const wanted = done[Math.ceil(p * done.length) - 1]!;
      assert.ok(Math.abs(found / wanted - 1) < 0.05, `p ${p}: ${found} for ${wanted}`);
    }
    const meanWait = done.reduce((sum, ms) => sum + ms, 0) / done.length - (0.8 * 5 + 0.2 * 33);
    assert.ok(Math.abs(waiting.meanWaitMs / meanWait - 1) < 0.05, `${waiting.meanWaitMs} for ${meanWait}`);
  });
}

/** Batches of what waits, up to `batchMs`: every answer goes out with its batch. */
function simulateBatches(
  ratePerMs: number,
  classes: readonly { share: number; ms: number }[],
  batchMs: number,
): number[] {
  const random = seededRandom(8, 'batches');
  const requests: { at: number; ms: number }[] = [];
  for (let at = 0, i = 0; i < 200_000; i++) {
    at -= Math.log(1 - random.uniform()) / ratePerMs;
    requests.push({ at, ms: random.uniform() < classes[0]!.share ? classes[0]!.ms : classes[1]!.ms });
  }
  const done: number[] = [];
  let freeMs = 0;
  for (let next = 0; next < requests.length;) {
    const startMs = Math.max(freeMs, requests[next]!.at);
    const batch = [requests[next++]!];
    let takes = batch[0]!.ms;
    for (let each = requests[next]; each && each.at <= startMs && takes + each.ms <= batchMs;) {
      takes += each.ms;
      batch.push(each);
      each = requests[++next];
    }
    freeMs = startMs + takes;
    for (const { at } of batch) done.push(freeMs - at);
  }
  return done.sort((a, b) => a - b);
}

for (const keptShare of [1, 0.8, 0]) {
  for (const utilisation of [0.3, 0.5, 0.7]) {
    test(`batches, ${keptShare} kept, ${utilisation} busy: never much below what is simulated, nor far above`, () => {
      const classes = [
        { share: keptShare, ms: 5 },
        { share: 1 - keptShare, ms: 33 },
      ];
      const rate = utilisation / (keptShare * 5 + (1 - keptShare) * 33);
      const waiting = new Waiting(rate, classes, 50);
      const done = simulateBatches(rate, classes, 50);
      for (const p of [0.5, 0.99]) {
        const ratio = waiting.quantileMs(p) / done[Math.ceil(p * done.length) - 1]!;
        assert.ok(ratio > 0.93 && ratio < 1.4, `p ${p}: ${ratio}`);
      }
    });
  }
}

test('an engine that cannot keep up never answers', () => {
  const waiting = new Waiting(0.2, [{ share: 1, ms: 5 }]);
  assert.equal(waiting.utilisation, 1);
  assert.equal(waiting.quantileMs(0.5), Infinity);
  assert.equal(waiting.meanWaitMs, Infinity);
});

test('a quantile grows with the share and with the load, and is never below the service, by property', () => {
  const load = fc.double({ min: 0.01, max: 0.95, noNaN: true });
  const share = fc.double({ min: 0.01, max: 0.99, noNaN: true });
  fc.assert(
    fc.property(load, load, share, (a, b, kept) => {
      const classes = [
        { share: kept, ms: 3 },
        { share: 1 - kept, ms: 40 },
      ];
      const mean = kept * 3 + (1 - kept) * 40;
      const [less, more] = [a, b].sort((x, y) => x - y).map((load) => new Waiting(load / mean, classes));
      assert.ok(less!.quantileMs(0.99) <= more!.quantileMs(0.99) + 1);
      assert.ok(less!.quantileMs(0.5) <= less!.quantileMs(0.99));
      assert.ok(less!.quantileMs(0.01) >= 3);
    }),
    { numRuns: 60 },
  );
});
