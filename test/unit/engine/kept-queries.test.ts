import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KeptQueries } from '../../../src/engine/kept-queries.js';

const WIDTH = 2;
const rows = (from: number, to: number): Float32Array =>
  Float32Array.from({ length: (to - from) * WIDTH }, (_, i) => from * WIDTH + i);

describe('kept queries', () => {
  test('are the first rows of each work, until it is released', () => {
    const kept = new KeptQueries(WIDTH);
    kept.keep(1, 10, 0, rows(0, 4));
    kept.keep(2, 3, 0, rows(7, 10));
    kept.keep(1, 10, 4, rows(4, 9));
    assert.deepEqual(kept.find(1, 2, 9), rows(2, 9));
    assert.deepEqual(kept.find(2, 0, 3), rows(7, 10));
    assert.equal(kept.find(1, 2, 10), undefined, 'not all are there');
    assert.equal(kept.find(3, 0, 1), undefined);
    kept.release(1);
    kept.release(3);
    assert.equal(kept.find(1, 0, 1), undefined);
    assert.deepEqual(kept.find(2, 0, 3), rows(7, 10));
  });

  test('what does not follow, and what comes again, changes nothing', () => {
    const kept = new KeptQueries(WIDTH);
    kept.keep(1, 10, 2, rows(2, 4));
    assert.equal(kept.find(1, 2, 4), undefined);
    kept.keep(1, 10, 0, rows(0, 4));
    kept.keep(1, 10, 2, rows(6, 8));
    assert.deepEqual(kept.find(1, 0, 4), rows(0, 4));
  });

  test('hold no more than the bound, all works together, and use the room of one that ended', () => {
    const kept = new KeptQueries(WIDTH, 10 * WIDTH * Float32Array.BYTES_PER_ELEMENT);
    kept.keep(1, 8, 0, rows(0, 8));
    kept.keep(2, 8, 0, rows(0, 2));
    kept.keep(2, 8, 2, rows(2, 8));
    assert.deepEqual(kept.find(2, 0, 2), rows(0, 2));
    assert.equal(kept.find(2, 2, 8), undefined, 'no room');
    kept.keep(3, 8, 0, rows(0, 1));
    assert.equal(kept.find(3, 0, 1), undefined, 'no room at all');
    kept.release(1);
    kept.keep(4, 8, 0, rows(0, 8));
    assert.deepEqual(kept.find(4, 0, 8), rows(0, 8));
  });
});
