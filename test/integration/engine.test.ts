/** The real engine on small models: who shares a batch, how a run is cut and in which dtype a context comes changes nothing. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { MAX_TOKENS_PER_RUN } from '../../src/engine/encode.js';
import type { EncodeItem, Engine, ScoreItem } from '../../src/engine/engine.js';
import { MAX_STEPS_PER_RUN } from '../../src/engine/score.js';
import { startEngine } from '../../src/engine/start.js';
import { fromFloat32, toFloat32 } from '../../src/tensor/tensor.js';
import { randomWeights, smallCard } from '../support/bundles.js';
import { chunks, context, randomValues, scoreAll } from '../support/engine.js';
import { assertClose } from '../support/numbers.js';
import { faultOf, valueOf } from '../support/outcomes.js';

/** The same pair in another batch: a few roundings of float32 apart at most. */
const SHARING_TOLERANCE = 1e-6;
const STEPS = 4;

const card = smallCard();
const globalCard = smallCard({ architecture: 'global_context' });
let engine: Engine;
let globalEngine: Engine;
before(async () => {
  engine = await startEngine({ card, weights: randomWeights(card) }, { provider: 'cpu', threads: 2 });
  globalEngine = await startEngine(
    { card: globalCard, weights: randomWeights(globalCard) },
    { provider: 'cpu', threads: 2 },
  );
});
after(async () => {
  await engine.close();
  await globalEngine.close();
});

/** Each context by each chunk in a batch of its own, row-major [slots, N, H]. */
async function oneAtATime(
  on: Engine,
  encode: readonly EncodeItem[],
  { slots, actions, candidates, steps }: ScoreItem,
): Promise<Float32Array> {
  const size = actions.length / candidates;
  const out = new Float32Array(slots.length * candidates * steps);
  for (const [row, slot] of slots.entries()) {
    for (let n = 0; n < candidates; n++) {
      const alone = { slots: [slot], actions: actions.slice(n * size, (n + 1) * size), candidates: 1, steps };
      const [raw] = await scoreAll(on, [encode.find((item) => item.slot === slot)!], [alone]);
      out.set(raw!, (row * candidates + n) * steps);
    }
  }
  return out;
}

test('a mask equals dropping the tokens, bit for bit', async () => {
  const whole = context(card, 0, 9);
  const rowBytes = card.state_dim * 4;
  const visible = [[1, 3], [4, 5], [7, 9]] as const; // prettier-ignore
  const kept = Buffer.concat(
    visible.map(([from, to]) => whole.bytes.subarray(from * rowBytes, to * rowBytes)),
  );
  const dropped = { ...whole, bytes: Uint8Array.from(kept), visible: [[0, 5]] as const };
  const score = [chunks(card, [0], 3, STEPS)];
  const masked = await scoreAll(engine, [{ ...whole, visible }], score);
  assert.deepEqual(masked, await scoreAll(engine, [dropped], score));
  const [unmasked] = await scoreAll(engine, [whole], score);
  assert.notDeepEqual(unmasked, masked[0], 'the mask matters');
});

test('property: ragged batches of both architectures score as one at a time', async () => {
  const item = fc.record({
    tokens: fc.integer({ min: 2, max: 40 }),
    candidates: fc.integer({ min: 1, max: 5 }),
    steps: fc.integer({ min: 1, max: 12 }),
    dtype: fc.constantFrom('float32' as const, 'float16' as const, 'bfloat16' as const),
    seed: fc.integer({ min: 1, max: 1000 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(item, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (items, isGlobal) => {
        const [on, model] = isGlobal ? [globalEngine, globalCard] : [engine, card];
        const encode = items.map(({ tokens, dtype, seed }, slot) =>
          context(model, slot, isGlobal ? 1 : tokens, { dtype, seed }),
        );
        const score = items.map(({ candidates, steps, seed }, slot) =>
          chunks(model, [slot], candidates, isGlobal ? globalCard.chunk! : steps, seed + 1),
        );
        const matrix = { ...score[0]!, slots: items.map((_, slot) => slot) };
        const together = await scoreAll(on, encode, [...score, matrix]);
        for (const [index, each] of [...score, matrix].entries()) {
          const alone = await oneAtATime(on, encode, each);
          assertClose(together[index]!, alone, SHARING_TOLERANCE, `item ${index}`);
        }
      },
    ),
    { numRuns: 12 },
  );
});

test('more tokens and more steps than one run holds: cut runs agree with single ones', async () => {
  const encode = [1500, 2000, 1200, 5000, 3].map((tokens, slot) => context(card, slot, tokens));
  const total = encode.reduce((sum, { visible }) => sum + visible[0]![1], 0);
  assert.ok(total > 2 * MAX_TOKENS_PER_RUN && 5000 > MAX_TOKENS_PER_RUN);
  const many = chunks(card, [0, 4], 70, 50); // 3500 steps, for two contexts
  assert.ok(many.candidates * many.steps > MAX_STEPS_PER_RUN);
  const others = [chunks(card, [3], 2, STEPS, 7), chunks(card, [1, 2], 300, 1, 8)];
  const together = await scoreAll(engine, encode, [others[0]!, many, others[1]!]);
  const [first, cut, second] = together as [Float32Array, Float32Array, Float32Array];
  assertClose(
    first,
    await oneAtATime(engine, encode, others[0]!),
    SHARING_TOLERANCE,
    'a context beyond the bound',
  );
  const size = many.steps * card.action_dim;
  for (const [row, slot] of many.slots.entries()) {
    for (const n of [0, 39, 40, 41, 69]) {
      const alone = {
        ...many,
        slots: [slot],
        actions: many.actions.slice(n * size, (n + 1) * size),
        candidates: 1,
      };
      const [raw] = await scoreAll(engine, [encode[slot]!], [alone]);
      const at = (row * many.candidates + n) * many.steps;
      assertClose(
        cut.subarray(at, at + many.steps),
        raw!,
        SHARING_TOLERANCE,
        `context ${slot}, candidate ${n}`,
      );
    }
  }
  const [separate] = await scoreAll(engine, encode, [others[1]!]);
  assertClose(second, separate!, SHARING_TOLERANCE, 'the item after a cut one');
});

for (const dtype of ['float16', 'bfloat16'] as const) {
  test(`${dtype} tokens score bit for bit as the float32 tokens that they stand for`, async () => {
    for (const [on, model, tokens] of [
      [engine, card, 33],
      [globalEngine, globalCard, 1],
    ] as const) {
      // prettier-ignore
      const shape = [tokens, model.state_dim];
      const narrow = fromFloat32(dtype, shape, randomValues(tokens * model.state_dim, 5));
      const wide = fromFloat32('float32', shape, toFloat32('hidden', narrow));
      const score = [chunks(model, [0], 3, STEPS)];
      const [found] = await scoreAll(on, [context(model, 0, tokens, { dtype, bytes: narrow.bytes })], score);
      const [wanted] = await scoreAll(on, [context(model, 0, tokens, { bytes: wide.bytes })], score);
      assert.deepEqual(found, wanted);
    }
  });
}

test('bytes at any alignment, also inside a larger buffer', async () => {
  for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
    const plain = context(card, 0, 7, { dtype });
    const pool = new Uint8Array(plain.bytes.length + 301 * 1024);
    const bytes = pool.subarray(3, 3 + plain.bytes.length);
    bytes.set(plain.bytes);
    const score = [chunks(card, [0], 2, STEPS)];
    const wanted = await scoreAll(engine, [plain], score);
    assert.deepEqual(await scoreAll(engine, [{ ...plain, bytes }], score), wanted, 'copied');
    assert.equal(bytes.byteLength, plain.bytes.length);
    assert.deepEqual(await scoreAll(engine, [{ ...plain, bytes, move: true }], score), wanted, 'moved');
    assert.equal(pool.byteLength, 0, 'detached');
  }
});

test('a large buffer that was given up is moved, any other is left as it was', async () => {
  const tokens = 20_000; // 480 kB
  const kept = context(card, 0, tokens);
  const moved = context(card, 1, tokens, { move: true });
  const small = context(card, 2, 4, { move: true });
  const pooled = { ...small, slot: 3, bytes: Buffer.from(small.bytes) };
  assert.ok(pooled.bytes.buffer.byteLength > pooled.bytes.byteLength, 'a slice of the pool');
  // both halves of one message travel with it
  const message = new Uint8Array(2 * kept.bytes.length);
  message.set(kept.bytes);
  message.set(kept.bytes, kept.bytes.length);
  const halves = [4, 5].map((slot) => ({
    ...kept,
    slot,
    bytes: message.subarray((slot - 4) * kept.bytes.length, (slot - 3) * kept.bytes.length),
    move: true,
  }));
  const encode = [kept, moved, small, pooled, ...halves];
  const score = [0, 2, 3, 4, 5].map((slot) => chunks(card, [slot], 1, STEPS));
  const [whole, few, fewPooled, ...fromMessage] = await scoreAll(engine, encode, score);
  assert.equal(kept.bytes.byteLength, tokens * card.state_dim * 4);
  assert.equal(moved.bytes.byteLength, 0);
  assert.equal(message.byteLength, 0);
  assert.equal(pooled.bytes.byteLength, 4 * card.state_dim * 4);
  assert.deepEqual(few, fewPooled);
  for (const raw of fromMessage) assertClose(raw, whole!, SHARING_TOLERANCE, 'half of a message');
});

test('slots stay until they are released, and are reused afterwards', async () => {
  const score = [chunks(card, [7], 2, STEPS)];
  const { encoded } = await engine.run({ encode: [context(card, 7, 5)], score: [], release: [] });
  assert.equal(valueOf(encoded[0]).bytes, 5 * engine.info.bytesPerToken);
  const later = await engine.run({ encode: [], score, release: [] });
  const again = await engine.run({ encode: [], score, release: [7, 7, 1234] });
  assert.deepEqual(valueOf(again.scored[0]), valueOf(later.scored[0]));
  const gone = await engine.run({ encode: [], score, release: [] });
  assert.equal(faultOf(gone.scored[0]).message, 'slot 7 holds no encoded context');
  const other = await scoreAll(engine, [context(card, 7, 5, { seed: 50 })], score);
  assert.notDeepEqual(other[0], valueOf(later.scored[0]));
});

test('an encoding that fails does not leave the slot to its former context', async () => {
  await engine.run({ encode: [context(card, 8, 5)], score: [], release: [] });
  await engine.run({ encode: [], score: [], release: [8] });
  await engine.run({ encode: [context(card, 8, 5, { visible: [] })], score: [], release: [] });
  const { scored } = await engine.run({ encode: [], score: [chunks(card, [8], 1, STEPS)], release: [] });
  assert.equal(faultOf(scored[0]).field, undefined);
  assert.match(faultOf(scored[0]).message, /slot 8 holds no/);
});

test('batches run in call order', async () => {
  const score = [chunks(card, [9], 1, STEPS)];
  const results = await Promise.all([
    engine.run({ encode: [context(card, 9, 5)], score, release: [] }),
    engine.run({ encode: [], score, release: [9] }),
    engine.run({ encode: [], score, release: [] }),
    engine.run({ encode: [context(card, 9, 6)], score, release: [9] }),
  ]);
  const [first, second, third, fourth] = results.map(({ scored }) => scored[0]!);
  assert.deepEqual(valueOf(first), valueOf(second));
  assert.equal(faultOf(third).kind, 'internal');
  assert.equal(valueOf(fourth).length, STEPS);
});

test('an empty batch is a batch', async () => {
  const result = await engine.run({ encode: [], score: [], release: [] });
  assert.deepEqual([result.encoded, result.scored], [[], []]);
});
