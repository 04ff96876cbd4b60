import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NO_WORK, addSize, fits, type WorkSize } from '../../../src/batching/size.js';
import { Cells, planBatch, type CuttableItem } from '../../../src/batching/plan.js';
import { FairDeadlineQueue } from '../../../src/batching/queue.js';

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
});

const BLOCK_STEPS = 128;

const options = fc.record({
  tokens: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 12 }),
  candidates: fc.integer({ min: 0, max: 200 }),
  steps: fc.constantFrom(1, 7, 8, 50, 200),
  stepCost: fc.constantFrom(1, 3),
});
const anyBounds = fc.record({
  tokens: fc.integer({ min: 1, max: 600 }),
  steps: fc.integer({ min: 1, max: 3000 }),
  contexts: fc.integer({ min: 1, max: 5 }),
});

it('pieces cover every cell once, encode every context with its first cell, and fit unless they are the smallest', () => {
  fc.assert(
    fc.property(options, anyBounds, (asked, bound) => {
      const { tokens, candidates, steps, stepCost } = asked;
      const cells = new Cells(asked);
      const whole = cells.left;
      const block = Math.max(1, Math.ceil(BLOCK_STEPS / steps));
      const seen = tokens.map(() => 0); // candidates that a context met, in order
      const encoded = new Set<number>();
      let sum = NO_WORK;
      for (let final = false, pieces = 0; !final; pieces++) {
        assert.ok(pieces <= tokens.length * (candidates + 2), 'it ends');
        assert.equal(cells.begun, pieces > 0);
        const piece = cells.next((size) => fits(size, bound));
        assert.deepEqual(
          cells.next((size) => fits(size, bound)),
          piece,
          'looking takes nothing',
        );
        let size = NO_WORK;
        for (let i = piece.from; i < piece.to; i++) {
          if (cells.encodes(i)) {
            assert.ok(!encoded.has(i));
            encoded.add(i);
            size = addSize(size, { tokens: tokens[i]!, steps: 0, contexts: 1 });
          }
          assert.ok(encoded.has(i) || tokens[i] === 0);
          assert.equal(piece.first, seen[i]);
          seen[i] = piece.last;
        }
        const cost = (piece.to - piece.from) * (piece.last - piece.first) * steps * stepCost;
        size = addSize(size, { tokens: 0, steps: cost, contexts: 0 });
        assert.deepEqual(piece.size, size);
        if (!fits(size, bound)) {
          assert.equal(piece.to - piece.from, 1, 'part of one row');
          const encodes = size.contexts > 0;
          const scores = piece.last - piece.first;
          assert.ok(encodes ? scores === 0 : scores < 2 * block, 'one encoding or one block');
        }
        if (piece.last > piece.first && piece.last < candidates) {
          assert.ok((piece.last - piece.first) * steps >= BLOCK_STEPS, 'no block is too small');
          assert.ok((candidates - piece.last) * steps >= BLOCK_STEPS, 'nor is what is left');
        }
        sum = addSize(sum, size);
        ({ final } = piece);
        cells.advance(piece);
        assert.deepEqual(addSize(sum, cells.left), whole);
      }
      assert.deepEqual(cells.left, NO_WORK);
      assert.ok(seen.every((count) => count === candidates));
      assert.equal(encoded.size, tokens.filter((count) => count > 0).length);
    }),
    { numRuns: 1000 },
  );
});

it('what fits is one piece', () => {
  const cells = new Cells({ tokens: [10, 0, 20], candidates: 3, steps: 8, stepCost: 1 });
  const piece = cells.next(() => true);
  assert.deepEqual(piece, {
    from: 0,
    to: 3,
    first: 0,
    last: 3,
    final: true,
    size: { tokens: 30, steps: 72, contexts: 2 },
  });
});
