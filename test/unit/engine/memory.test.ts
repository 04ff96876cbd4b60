import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { discard, Scratch } from '../../../src/engine/memory.js';

describe('discard', () => {
  test('frees at once, whoever still holds a view, and takes a buffer named twice', () => {
    const view = new Uint8Array(64 << 20).fill(1);
    const before = process.memoryUsage();
    discard([view.buffer, view.buffer]);
    const { arrayBuffers, rss } = process.memoryUsage();
    assert.equal(view.byteLength, 0);
    assert.ok(before.arrayBuffers - arrayBuffers >= 64 << 20);
    assert.ok(before.rss - rss > 48 << 20);
  });

  test('nothing to free', () => assert.doesNotThrow(() => discard([])));
});

describe('scratch memory', () => {
  test('is the same for the same name, grows, and differs between names', () => {
    const scratch = new Scratch();
    const first = scratch.floats('a', 8);
    assert.equal(first.length, 8);
    assert.equal(scratch.floats('a', 4).buffer, first.buffer);
    assert.notEqual(scratch.floats('b', 4).buffer, first.buffer);
    assert.equal(scratch.bytes('c', 5).length, 5);
    assert.equal(scratch.floats('a', 9).length, 9);
    assert.equal(first.length, 0); // what was outgrown is freed
    scratch.floats('a', 9).fill(7);
    assert.deepEqual([...scratch.watched('a', 3)], [NaN, NaN, NaN]);
  });
});
