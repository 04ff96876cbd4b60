import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../src/errors.js';
import type { ModelCard } from '../../../src/model/card.js';
import {
  checkContext,
  maskFromPieces,
  polarised,
  refuseSingleToken,
  visibleCount,
  visibleRanges,
} from '../../../src/model/context.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import { smallCard } from '../../support/bundles.js';

const faultAt = (field: string) => (error: unknown) => error instanceof Fault && error.field === field;

test('ranges cover exactly the visible tokens, ascending, disjoint and maximal', () => {
  const masks = fc
    .uint8Array({ min: 0, max: 1, minLength: 1, maxLength: 60 })
    .filter((mask) => mask.includes(0));
  fc.assert(
    fc.property(masks, (mask) => {
      const ranges = visibleRanges(mask, mask.length);
      const rebuilt = new Uint8Array(mask.length).fill(1);
      let previousEnd = -1;
      for (const [start, end] of ranges) {
        assert.ok(start > previousEnd && end > start); // a gap between neighbours: maximal
        rebuilt.fill(0, start, end);
        previousEnd = end;
      }
      assert.deepEqual(rebuilt, Uint8Array.from(mask));
      assert.equal(visibleCount(ranges), mask.filter((value) => value === 0).length);
    }),
  );
});

test('without a mask everything is visible', () => {
  assert.deepEqual(visibleRanges(undefined, 7), [[0, 7]]);
});

test('a mask of wrong length, of other values or without a visible token is refused by name', () => {
  assert.throws(() => visibleRanges(new Uint8Array(20), 12), faultAt('pad_mask'));
  assert.throws(() => visibleRanges(Uint8Array.of(0, 255, 0), 3), faultAt('pad_mask[1]'));
  assert.throws(() => visibleRanges(Uint8Array.of(1, 1), 2), /no visible token/);
  assert.throws(() => visibleRanges(undefined, 0), faultAt('pad_mask'));
});

test('one visible token is refused for cross_attention alone, with the reason', () => {
  const one = visibleRanges(Uint8Array.of(1, 0, 1), 3);
  const global = smallCard({ architecture: 'global_context' });
  assert.throws(() => refuseSingleToken(one, smallCard()), /softmax over one key/);
  assert.doesNotThrow(() => refuseSingleToken(one, global));
  assert.doesNotThrow(() => refuseSingleToken([[0, 2]], smallCard()));
});

test('pieces: patches and prompt visible, action tokens and everything after them not', () => {
  // 3 patches, text of 6 (prompt 2, actions 2, gap 1, action 1) and the end token
  const current = Uint8Array.of(0, 0, 1, 1, 0, 0);
  const next = Uint8Array.of(0, 0, 0, 0, 0, 1);
  const byFlags = maskFromPieces({ tokens: 10, numPatches: 3, currentActions: current, nextActions: next });
  // the gap between the two spans stays visible: only the last True is extended
  assert.deepEqual([...byFlags], [0, 0, 0, 0, 0, 1, 1, 0, 1, 1]);
  const bySpans = maskFromPieces({
    tokens: 10,
    numPatches: 3,
    actionSpans: [
      [8, 9],
      [5, 7],
    ],
  });
  assert.deepEqual(bySpans, byFlags);
});

test('pieces: spans may overlap, in any order', () => {
  const spans = [
    [3, 8],
    [3, 5],
    [4, 8],
  ] as const;
  const mask = maskFromPieces({ tokens: 10, numPatches: 3, actionSpans: spans });
  assert.deepEqual([...mask], [0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
});

test('pieces: what follows the last action token is masked, whatever stood there', () => {
  fc.assert(
    fc.property(
      fc.nat(5),
      fc.uint8Array({ min: 0, max: 1, maxLength: 20 }),
      fc.nat(),
      (numPatches, flags, split) => {
        const current = flags.map((flag, i) => (i % 2 === split % 2 ? flag : 0));
        const next = flags.map((flag, i) => (i % 2 === split % 2 ? 0 : flag));
        const tokens = numPatches + flags.length + 1;
        const mask = maskFromPieces({ tokens, numPatches, currentActions: current, nextActions: next });
        const last = flags.lastIndexOf(1);
        for (let i = 0; i < tokens; i++) {
          const text = i - numPatches;
          const masked =
            i === tokens - 1 || (text >= 0 && (flags[text] === 1 || (last >= 0 && text >= last)));
          assert.equal(mask[i], masked ? 1 : 0);
        }
      },
    ),
  );
});

test('pieces that contradict the context or each other are refused by name', () => {
  const spans = (start: number, end: number) => () =>
    maskFromPieces({ tokens: 10, numPatches: 3, actionSpans: [[start, end]] });
  for (const [start, end] of [
    [2, 5],
    [5, 10],
    [6, 6],
    [4.5, 6],
  ] as const) {
    assert.throws(spans(start, end), faultAt('mask_pieces.action_spans[0]'));
  }
  const flags = new Uint8Array(5);
  assert.throws(
    () => maskFromPieces({ tokens: 10, numPatches: 3, currentActions: flags }),
    faultAt('mask_pieces.current_actions'),
  );
  assert.throws(() => maskFromPieces({ tokens: 10, numPatches: 10 }), faultAt('mask_pieces.num_patches'));
  assert.throws(() => maskFromPieces({ tokens: 10, numPatches: 3 }), faultAt('mask_pieces'));
  assert.throws(
    () => maskFromPieces({ tokens: 4, numPatches: 0, nextActions: Uint8Array.of(0, 7, 0) }),
    faultAt('mask_pieces.next_actions[1]'),
  );
});

test('a card may say that True means visible: ranges, contexts and masks made from pieces follow it', () => {
  const visible = smallCard({ mask_polarity: 'true_is_visible' });
  const ignored = smallCard();
  const bits = Uint8Array.of(0, 1, 1, 0, 1);
  assert.deepEqual(visibleRanges(bits, 5, 'pad_mask', 'true_is_visible'), [
    [1, 3],
    [4, 5],
  ]);
  assert.throws(
    () => visibleRanges(Uint8Array.of(0, 0), 2, 'pad_mask', 'true_is_visible'),
    /True means visible/,
  );
  const hidden: Tensor = float32Tensor([5, ignored.state_dim], new Float32Array(5 * ignored.state_dim));
  const mask: Tensor = { dtype: 'bool', shape: [5], bytes: bits };
  assert.deepEqual(checkContext(hidden, mask, visible).visible, [
    [1, 3],
    [4, 5],
  ]);
  assert.deepEqual(checkContext(hidden, mask, ignored).visible, [
    [0, 1],
    [3, 4],
  ]);
  const built = maskFromPieces({ tokens: 5, numPatches: 2, actionSpans: [[3, 4]] });
  const sent = (card: ModelCard): Tensor => ({ dtype: 'bool', shape: [5], bytes: polarised(built, card) });
  assert.deepEqual(checkContext(hidden, sent(visible), visible).visible, [[0, 3]]);
  assert.deepEqual(checkContext(hidden, sent(ignored), ignored).visible, [[0, 3]]);
});
