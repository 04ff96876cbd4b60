import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ServiceEstimate } from '../../../src/batching/estimate.js';
import { planBatch } from '../../../src/batching/policy.js';
import { FairDeadlineQueue, type QueueItem } from '../../../src/batching/queue.js';
import { fits } from '../../../src/batching/size.js';

const budget = { tokens: 50, steps: 40, contexts: 4 };
const item = fc.record({
  client: fc.constantFrom('a', 'b', 'c'),
  deadlineMs: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constant(Infinity)),
  bytes: fc.constant(1),
  size: fc.record({
    tokens: fc.integer({ min: 0, max: 60 }),
    steps: fc.integer({ min: 0, max: 50 }),
    contexts: fc.integer({ min: 0, max: 5 }),
  }),
});

function filled(items: readonly QueueItem[]): FairDeadlineQueue<QueueItem> {
  const queue = new FairDeadlineQueue<QueueItem>({
    maxItems: 1000,
    maxBytes: 1000,
    clientShare: 1,
    quantum: 50,
    patienceMs: 100,
  });
  for (const one of items) queue.push(one, 0);
  return queue;
}

describe('policy', () => {
  it('takes prefixes within the budget, drops exactly the hopeless, and empties the queue', () => {
    const msPer = fc.integer({ min: 0, max: 30 }).map((tenths) => tenths / 10);
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 40, size: 'max' }),
        msPer,
        msPer,
        (items, msPerToken, msPerStep) => {
          const estimate = {
            ms: ({ tokens, steps }: { tokens: number; steps: number }) =>
              tokens * msPerToken + steps * msPerStep,
          };
          const queue = filled(items);
          const order = filled(items);
          const seen = new Set<QueueItem>();
          let startMs = 0;
          while (queue.count > 0) {
            const { admitted, hopeless, size } = planBatch(queue, startMs, estimate, budget);
            assert.ok(admitted.length + hopeless.length > 0);
            for (const one of [...admitted, ...hopeless]) {
              assert.ok(!seen.has(one));
              seen.add(one);
            }
            for (const one of hopeless) {
              assert.ok(startMs + estimate.ms(one.size) > one.deadlineMs);
              order.remove(one);
            }
            // what is admitted is what comes next in the queue's own order
            for (const one of admitted) assert.equal(order.take(), one);
            if (admitted.length > 1) {
              assert.ok(fits(size, budget));
              const due = Math.min(...admitted.map(({ deadlineMs }) => deadlineMs));
              assert.ok(startMs + estimate.ms(size) <= due);
            }
            startMs += estimate.ms(size);
          }
          assert.equal(seen.size, items.length);
        },
      ),
    );
  });

  it('gives a request larger than the budget a batch of its own', () => {
    const small = { client: 'a', bytes: 1, size: { tokens: 1, steps: 1, contexts: 1 } };
    const items = [
      { ...small, deadlineMs: 1 },
      { ...small, deadlineMs: 2, size: { tokens: 51, steps: 1, contexts: 1 } },
      { ...small, deadlineMs: 3 },
    ];
    const queue = filled(items);
    const batches = [1, 2, 3].map(() => planBatch(queue, 0, { ms: () => 0 }, budget).admitted);
    assert.deepEqual(
      batches,
      items.map((one) => [one]),
    );
  });

  it('estimates from finished batches, weighs them by size, and relaxes', () => {
    const estimate = new ServiceEstimate();
    const size = { tokens: 100, steps: 10, contexts: 1 };
    assert.equal(estimate.ms(size), 0);
    estimate.record({ tokens: 1000, steps: 0, contexts: 1 }, 50, 0);
    estimate.record({ tokens: 0, steps: 100, contexts: 0 }, 0, 200);
    assert.ok(Math.abs(estimate.ms(size) - (100 * 0.05 + 10 * 2)) < 1e-9);
    estimate.record({ tokens: 1, steps: 0, contexts: 1 }, 5, 0); // one token at 100 times the rate
    assert.ok(estimate.ms({ ...size, steps: 0 }) < 6);
    const before = estimate.ms(size);
    estimate.relax();
    assert.ok(estimate.ms(size) < before);
    for (let i = 0; i < 100; i++) estimate.record({ tokens: 100, steps: 0, contexts: 1 }, 100, 0);
    assert.ok(Math.abs(estimate.ms({ ...size, steps: 0 }) - 100) < 1);
  });
});
