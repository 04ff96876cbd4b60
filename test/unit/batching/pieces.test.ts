import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Cells } from '../../../src/batching/pieces.js';
import { NO_WORK, addSize, fits } from '../../../src/batching/size.js';

const BLOCK_STEPS = 128;

const options = fc.record({
  tokens: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 12 }),
  candidates: fc.integer({ min: 0, max: 200 }),
  steps: fc.constantFrom(1, 7, 8, 50, 200),
  stepCost: fc.constantFrom(1, 3),
});
const bounds = fc.record({
  tokens: fc.integer({ min: 1, max: 600 }),
  steps: fc.integer({ min: 1, max: 3000 }),
  contexts: fc.integer({ min: 1, max: 5 }),
});

it('pieces cover every cell once, encode every context with its first cell, and fit unless they are the smallest', () => {
  fc.assert(
    fc.property(options, bounds, (asked, bound) => {
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
