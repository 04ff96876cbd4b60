import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ServiceEstimate } from '../../../src/batching/estimate.js';
import { Cells } from '../../../src/batching/pieces.js';
import { planBatch, type CuttableItem } from '../../../src/batching/policy.js';
import { FairDeadlineQueue } from '../../../src/batching/queue.js';
import { NO_WORK, addSize, fits, type WorkSize } from '../../../src/batching/size.js';

const bounds = { tokens: 50, steps: 400, contexts: 4, ms: 60 };

class Item implements CuttableItem {
  readonly bytes = 1;
  readonly cells: Cells;

  constructor(
    readonly client: string,
    readonly deadlineMs: number,
    tokens: readonly number[],
    candidates: number,
  ) {
    this.cells = new Cells({ tokens, candidates, steps: 16, stepCost: 1 });
  }

  get size(): WorkSize {
    return this.cells.left;
  }
}

const item = fc
  .record({
    client: fc.constantFrom('a', 'b', 'c'),
    deadlineMs: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constant(Infinity)),
    tokens: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 6 }),
    candidates: fc.integer({ min: 0, max: 40 }),
  })
  .map(({ client, deadlineMs, tokens, candidates }) => new Item(client, deadlineMs, tokens, candidates));

function filled(items: readonly Item[]): FairDeadlineQueue<Item> {
  const queue = new FairDeadlineQueue<Item>({
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
          const ended = new Set<Item>();
          let startMs = 0;
          while (queue.count > 0) {
            const [first] = [queue.peek()];
            const { turns, hopeless } = planBatch(queue, startMs, estimate, bounds);
            assert.ok(turns.length + hopeless.length > 0);
            const [head] = turns;
            if (head && hopeless.length === 0) assert.equal(head.job, first);
            for (const { job } of turns) queue.standBack(job, startMs);
            for (const one of hopeless) {
              assert.ok(startMs + estimate.ms(one.size) > one.deadlineMs);
              assert.ok(!ended.has(one));
              ended.add(one);
            }
            let size = NO_WORK;
            for (const { job, piece } of turns) {
              assert.ok(!ended.has(job));
              if (piece.final) ended.add(job);
              // only the first may be cut, and then it is alone
              else assert.equal(turns.length, 1);
              size = addSize(size, piece.size);
              job.cells.advance(piece);
            }
            if (turns.length > 1) {
              assert.ok(fits(size, bounds) && estimate.ms(size) <= bounds.ms);
              const due = Math.min(...turns.map(({ job }) => job.deadlineMs));
              assert.ok(startMs + estimate.ms(size) <= due);
            }
            startMs += estimate.ms(size);
          }
          assert.equal(ended.size, items.length);
        },
      ),
    );
  });

  it('gives a request larger than the bounds a piece, alone, and goes on with it behind others of its client', () => {
    const items = [
      new Item('a', Infinity, [1], 1),
      new Item('a', Infinity, [20, 20, 20], 8),
      new Item('a', Infinity, [1], 1),
    ];
    const queue = filled(items);
    const batches = [1, 2, 3, 4].map(() => {
      const { turns } = planBatch(queue, 1, { ms: () => 0 }, bounds);
      for (const { job, piece } of turns) job.cells.advance(piece);
      for (const { job } of turns) queue.standBack(job, 2);
      return turns.map(({ job, piece }) => [items.indexOf(job), piece.from, piece.to]);
    });
    assert.deepEqual(batches, [[[0, 0, 1]], [[1, 0, 2]], [[2, 0, 1], [1, 2, 3]], []]); // prettier-ignore
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
