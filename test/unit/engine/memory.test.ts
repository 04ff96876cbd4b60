import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { discard, Scratch } from '../../../src/engine/memory.js';
import { goldenModel } from '../../support/bundles.js';
import { context, withRunner } from '../../support/engine.js';

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

test('a released slot gives back the memory of its context at once', () => {
  const model = goldenModel('cross_relu_sigmoid');
  return withRunner(model, async (runner) => {
    const encode = [context(model.card, 0, 4096)];
    const { encoded } = await runner.run({ encode, score: [], release: [] });
    const [outcome] = encoded;
    assert.ok(outcome?.ok);
    const before = process.memoryUsage().arrayBuffers;
    await runner.run({ encode: [], score: [], release: [0] });
    assert.ok(before - process.memoryUsage().arrayBuffers >= outcome.value.bytes);
  });
});
