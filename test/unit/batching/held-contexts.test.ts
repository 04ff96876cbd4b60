import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BackgroundEngine } from '../../../src/batching/background-engine.js';
import type { EncodeItem } from '../../../src/engine/engine.js';
import { Fault } from '../../../src/errors.js';
import { bench, encodeOnly, inline, scoring, work, type Bench } from './work-builder.js';

describe('held contexts', () => {
  it('stay encoded until released, beside the cache', async () => {
    const { scheduler, clock, engine, cache } = bench();
    const first = scheduler.submit(work({ hold: true }));
    await clock.advance(50);
    const { held } = await first;
    assert.equal(engine.slots.size, 1);
    assert.equal(cache.stats.bytes, 0);
    const again = scheduler.submit(work({ contexts: [{ kind: 'held', held: held![0]! }], task: scoring(4) }));
    await clock.advance(50);
    assert.deepEqual([...(await again).raw!], [5]);
    scheduler.release(held!);
    await clock.advance(1);
    assert.equal(engine.slots.size, 0);
  });

  it('do not lengthen a lease, keep an id alive or take room, but outlive its eviction', async () => {
    const { scheduler, clock, engine, cache } = bench();
    const kept = scheduler.submit(work({ contexts: [inline(10, 7, 100)], hold: true }));
    await clock.advance(50);
    const { held, kept: keptNow } = await kept;
    const [{ id, expiresAtMs } = assert.fail()] = keptNow;
    const byId = scheduler.submit(work({ contexts: [{ kind: 'kept', id }], hold: true }));
    await clock.advance(5);
    const second = await byId;
    await clock.advance(expiresAtMs);
    assert.equal(cache.stats.bytes, 0, 'the book has let go');
    assert.equal(engine.slots.size, 1, 'the engine has not');
    const score = scheduler.submit(work({ contexts: [{ kind: 'held', held: held![0]! }], task: scoring(1) }));
    await clock.advance(50);
    assert.deepEqual([...(await score).raw!], [8]);
    scheduler.release(held!);
    await clock.advance(1);
    assert.equal(engine.slots.size, 1, 'held twice');
    scheduler.release(second.held!);
    await clock.advance(1);
    assert.equal(engine.slots.size, 0);
  });
});

describe('pinned contexts', () => {
  it('stay encoded and in the budget until released, and answer to no id', async () => {
    const { scheduler, clock, engine, cache } = bench();
    const first = scheduler.submit(work({ pin: true }));
    await clock.advance(50);
    const { pinned, kept } = await first;
    assert.deepEqual(kept, [undefined]);
    assert.deepEqual([engine.slots.size, cache.stats.entries], [1, 0]);
    assert.ok(cache.stats.bytes > 0);
    const again = scheduler.submit(
      work({ contexts: [{ kind: 'held', held: pinned![0]! }], task: scoring(4) }),
    );
    await clock.advance(50);
    assert.deepEqual([...(await again).raw!], [5]);
    scheduler.release(pinned!);
    await clock.advance(1);
    assert.deepEqual([engine.slots.size, cache.stats.bytes], [0, 0]);
  });

  it('are neither evicted nor expired, and what is kept besides answers afterwards', async () => {
    const { scheduler, clock, engine, cache } = bench();
    const first = scheduler.submit(work({ contexts: [inline(10, 7, 100)], pin: true }));
    await clock.advance(50);
    const { pinned, kept } = await first;
    const [{ id, expiresAtMs } = assert.fail()] = kept;
    await clock.advance(expiresAtMs);
    assert.equal(cache.stats.entries, 1, 'its lease runs from its last use');
    scheduler.drop(id);
    assert.ok(cache.stats.bytes > 0 && engine.slots.size === 1, 'dropped, and still in use');
    scheduler.release(pinned!);
    await clock.advance(1);
    assert.deepEqual([engine.slots.size, cache.stats.bytes], [0, 0]);
    const second = scheduler.submit(work({ contexts: [inline(10, 7, 100)], pin: true }));
    await clock.advance(50);
    const { pinned: others, kept: keptNow } = await second;
    scheduler.release(others!);
    const byId = scheduler.submit(work({ contexts: [{ kind: 'kept', id: keptNow[0]!.id }], pin: true }));
    await clock.advance(5);
    scheduler.release((await byId).pinned!);
    assert.equal(cache.stats.entries, 1);
  });

  it('find no room: the work goes on, and says why', async () => {
    const { scheduler, clock, engine, cache } = bench();
    const large = scheduler.submit(work({ contexts: [inline(100_000)], pin: true }));
    await clock.advance(200_000);
    const { pinned, raw, keepRefused } = await large;
    assert.deepEqual([pinned, raw!.length, keepRefused!.kind], [undefined, 2, 'exhausted']);
    await clock.advance(1);
    assert.deepEqual([engine.slots.size, cache.stats.bytes], [0, 0]);
  });
});

for (const how of ['hold', 'pin'] as const) {
  it(`contexts to ${how} are given back when the work fails or is cancelled while it runs`, async () => {
    const { scheduler, clock, engine, cache } = bench();
    const abort = new AbortController();
    const all = [
      scheduler.submit(work({ contexts: [inline(5, 13)], [how]: true })),
      scheduler.submit(work({ contexts: [inline(5)], [how]: true, signal: abort.signal })),
    ];
    const outcomes = Promise.allSettled(all);
    await clock.advance(1);
    abort.abort();
    await clock.advance(100);
    assert.ok((await outcomes).every(({ status }) => status === 'rejected'));
    await clock.advance(1);
    assert.deepEqual([engine.slots.size, cache.stats.bytes], [0, 0]);
  });
}

describe('background work', () => {
  it('begins only when there was no other work for the grace', async () => {
    const { scheduler, clock, reports } = bench({ backgroundGraceMs: 10 });
    const normal = scheduler.submit(work({ contexts: [inline(8)] })); // 8 + 2 ms
    const low = scheduler.submit(work({ priority: 'background', contexts: [inline(1)] }));
    await clock.advance(15);
    await normal;
    assert.equal(reports.length, 1);
    const second = scheduler.submit(work({ contexts: [inline(1)] })); // to 18, the grace to 28
    await clock.advance(12);
    await second;
    assert.equal(reports.length, 2);
    await clock.advance(5);
    await low;
    assert.deepEqual(
      reports.map(({ background }) => background),
      [false, false, true],
    );
  });

  it('lets one context alone be larger than a background batch', async () => {
    const { scheduler, clock } = bench();
    const large = scheduler.submit({ ...encodeOnly([inline(50)]), priority: 'background' });
    await clock.advance(100);
    await large;
  });
});

describe('background engine', () => {
  const setUp = (signal = new AbortController().signal): Bench & { background: BackgroundEngine } => {
    const all = bench({ backgroundBounds: { tokens: 20, steps: 256, contexts: 1, ms: Infinity } });
    const { scheduler, engine } = all;
    const background = new BackgroundEngine({
      scheduler,
      info: engine.info,
      failed: engine.failed,
      client: 'calibration',
      signal,
    });
    return { ...all, background };
  };
  const item = (slot: number, first: number): EncodeItem => {
    const context = inline(30, first);
    if (context.kind !== 'inline') throw new Error('inline');
    return { ...context.encode, slot };
  };

  it('gives what the engine gives, in pieces', async () => {
    const { background, clock, engine, reports } = setUp();
    const values = Float32Array.from({ length: 300 }, (_, i) => i);
    const run = background.run({
      encode: [item(0, 5), item(1, 13), item(7, 9)],
      score: [
        { slots: [0, 7], actions: values, candidates: 300, steps: 1 },
        { slots: [1], actions: values, candidates: 300, steps: 1 },
      ],
      release: [0],
    });
    await clock.advance(5000);
    const { encoded, scored } = await run;
    assert.deepEqual(
      encoded.map(({ ok }) => ok),
      [true, false, true],
    );
    const [first, second] = scored;
    assert.ok(first?.ok);
    assert.deepEqual(
      [...first.value],
      [5, 9].flatMap((context) => [...values].map((value) => value + context)),
    );
    assert.equal(second?.ok, false);
    assert.ok(reports.every(({ background: low }) => low));
    assert.ok(Math.max(...reports.map(({ steps }) => steps)) <= 256);
    assert.ok(reports.length > 2 + 2, 'cut');
    await clock.advance(1);
    assert.equal(engine.slots.size, 1);
    await background.close();
    await clock.advance(1);
    assert.equal(engine.slots.size, 0);
  });

  it('lets a request pass between its pieces, and ends with its signal', async () => {
    const abort = new AbortController();
    const { background, scheduler, clock, engine } = setUp(abort.signal);
    const run = background.run({ encode: [item(0, 1), item(1, 2), item(2, 3)], score: [], release: [] });
    const ended = assert.rejects(run, { kind: 'cancelled' });
    await clock.advance(5);
    let answered = Infinity;
    const request = scheduler.submit(work()).then(() => (answered = clock.nowMs()));
    await clock.advance(60);
    await request;
    assert.ok(answered <= 30 + 12, `answered at ${answered}`); // the running piece, then its own 12 ms
    abort.abort(new Fault('cancelled', 'enough'));
    await clock.advance(200);
    await ended;
    await background.close();
    await clock.advance(1);
    assert.equal(engine.slots.size, 0);
  });
});
