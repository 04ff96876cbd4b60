import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { Fault } from '../../../src/errors.js';
import { settled } from '../../support/fake-clock.js';
import { bench, encodeOnly, inline, scoring, work } from './work-builder.js';

const kind = (wanted: Fault['kind']) => (error: unknown) => error instanceof Fault && error.kind === wanted;

describe('scheduler', () => {
  it('runs a free engine at once and gathers while it is busy', async () => {
    const { scheduler, engine, clock } = bench();
    const first = scheduler.submit(work());
    const others = [1, 2, 3].map((first) => scheduler.submit(work({ contexts: [inline(5, first)] })));
    await clock.advance(12);
    assert.deepEqual([...(await first).raw!], [2, 3]);
    assert.equal(engine.batches.length, 2);
    assert.equal(engine.batches[1]!.encode.length, 3);
    await clock.advance(100);
    const results = await Promise.all(others);
    assert.deepEqual(
      results.map(({ raw }) => [...raw!]),
      [
        [2, 3],
        [3, 4],
        [4, 5],
      ],
    );
    assert.deepEqual(results[0]!.timings, { queueMs: 12, encodeMs: 15, scoreMs: 6 });
    assert.deepEqual(results[0]!.batch, { tokens: 15, steps: 6, contexts: 3, works: 3 });
    assert.equal(engine.slots.size, 0);
  });

  it('scores every context of a matrix by every action', async () => {
    const { scheduler, clock } = bench();
    const result = scheduler.submit(
      work({ contexts: [inline(2, 10), inline(2, 20)], task: scoring(1, 2, 3) }),
    );
    await clock.advance(100);
    assert.deepEqual([...(await result).raw!], [11, 12, 13, 21, 22, 23]);
  });

  it('keeps a context, scores it by id without encoding, and releases it when its lease runs out', async () => {
    const { scheduler, engine, clock, cache } = bench();
    const put = scheduler.submit(encodeOnly([inline(10, 7, 500)]));
    await clock.advance(10);
    const [kept] = (await put).kept;
    assert.deepEqual(kept, { id: 'id0', bytes: 80, leaseMs: 500, expiresAtMs: 510 });
    assert.equal((await put).raw, undefined);
    const byId = scheduler.submit(work({ contexts: [{ kind: 'kept', id: 'id0' }] }));
    await clock.advance(10);
    const result = await byId;
    assert.deepEqual([...result.raw!], [8, 9]);
    assert.equal(result.kept[0]!.expiresAtMs, 512); // touched when its use ended
    assert.equal(engine.batches[1]!.encode.length, 0);
    assert.equal(engine.slots.size, 1);
    await clock.advance(500);
    assert.equal(engine.slots.size, 0);
    assert.equal(cache.stats.evictions.expired, 1);
    await assert.rejects(
      scheduler.submit(work({ contexts: [{ kind: 'kept', id: 'id0' }] })),
      (error: unknown) => kind('not_found')(error) && (error as Fault).field === 'context_id',
    );
    assert.equal(clock.pending, 0);
  });

  it('does not let go of a dropped or expired context before the work that waits for it has run', async () => {
    const { scheduler, clock, engine } = bench();
    const put = scheduler.submit(work({ contexts: [inline(10, 7, 20)] }));
    await clock.advance(12);
    const { id } = (await put).kept[0]!;
    const blocker = scheduler.submit(work({ contexts: [inline(90)] }));
    const byId = scheduler.submit(work({ contexts: [{ kind: 'kept', id }] }));
    await clock.advance(50); // past the lease
    scheduler.drop(id);
    await clock.advance(100);
    await blocker;
    const result = await byId;
    assert.deepEqual([...result.raw!], [8, 9]);
    assert.equal(result.kept[0], undefined);
    await clock.advance(1);
    assert.equal(engine.slots.size, 0);
  });

  it('scores what it has no room to keep, and says why', async () => {
    const { scheduler, clock, engine, rejects } = bench({}, {}, 100);
    const scored = scheduler.submit(work({ contexts: [inline(20, 1, 500)] }));
    await clock.advance(100);
    const { raw, kept, keepRefused } = await scored;
    assert.equal(raw!.length, 2);
    assert.deepEqual(kept, [undefined]);
    assert.equal(keepRefused?.kind, 'exhausted');
    assert.match(keepRefused.message, /160 bytes.*100 bytes/);
    assert.equal(engine.slots.size, 0);
    await assert.rejects(scheduler.submit(encodeOnly([inline(20, 1, 500)])), kind('exhausted'));
    assert.deepEqual(rejects, ['context_cache']);
  });

  it('fails a bad item alone', async () => {
    const { scheduler, clock, engine, rejects } = bench();
    const blocker = scheduler.submit(work());
    const good = scheduler.submit(work({ contexts: [inline(5, 2)] }));
    const bad = scheduler.submit(work({ contexts: [inline(5, 13, 500)] }));
    const caught = assert.rejects(bad, kind('invalid'));
    await clock.advance(100);
    await Promise.all([blocker, caught]);
    assert.deepEqual([...(await good).raw!], [3, 4]);
    assert.equal(engine.batches[1]!.encode.length, 2);
    assert.deepEqual(rejects, ['engine_item']);
    await clock.advance(1);
    assert.equal(engine.slots.size, 0); // the slot that was to be kept is released, too
  });

  it('answers a deadline that expires in the queue at once, and never computes it', async () => {
    const { scheduler, clock, engine, rejects } = bench();
    const blocker = scheduler.submit(work({ contexts: [inline(50)] }));
    const late = scheduler.submit(work({ deadlineMs: 20 }));
    let answeredMs = -1;
    const caught = late.catch((error: unknown) => {
      answeredMs = clock.nowMs();
      assert.ok(kind('deadline')(error));
    });
    await clock.advance(30);
    await caught;
    assert.equal(answeredMs, 20);
    await clock.advance(100);
    await blocker;
    assert.equal(engine.batches.flatMap(({ encode }) => encode).length, 1);
    assert.deepEqual(rejects, ['deadline']);
    await assert.rejects(scheduler.submit(work({ deadlineMs: 1 })), kind('deadline'));
  });

  it('drops hopeless work, yet an estimate inflated by a stall heals', async () => {
    const { scheduler, clock, engine, rejects } = bench();
    engine.msPerToken = 100; // a stall
    const stalled = scheduler.submit(work());
    await clock.advance(2000);
    await stalled;
    engine.msPerToken = 1;
    let refused = 0;
    for (let i = 0; i < 50; i++) {
      const tight = scheduler.submit(work({ deadlineMs: clock.nowMs() + 50 })).then(
        () => 'done',
        (error: Fault) => error.kind,
      );
      await clock.advance(20);
      if ((await tight) === 'done') break;
      refused++;
    }
    assert.ok(refused > 0 && refused < 30, `${refused} refused`);
    assert.equal(rejects.filter((reason) => reason === 'hopeless').length, refused);
  });

  it('cancels what waits and what runs; a superseding takes only what waits', async () => {
    const { scheduler, clock, engine, rejects } = bench();
    const controllers = [0, 1, 2, 3].map(() => new AbortController());
    const [running, other, waiting, superseded] = controllers.map(({ signal }) =>
      scheduler.submit(work({ signal })),
    );
    const fault = new Fault('superseded', 'a newer request took its place');
    for (const i of [0, 3]) controllers[i]!.abort(fault);
    controllers[2]!.abort();
    await assert.rejects(waiting!, kind('cancelled'));
    await assert.rejects(superseded!, (error) => error === fault);
    await clock.advance(100);
    assert.equal((await running!).raw!.length, 2);
    await other;
    assert.equal(engine.batches.length, 2);
    assert.equal(engine.batches[1]!.encode.length, 1);
    const controller = new AbortController();
    const cut = scheduler.submit(work({ contexts: [inline(10, 1, 500)], signal: controller.signal }));
    await settled();
    controller.abort();
    await assert.rejects(cut, kind('cancelled'));
    await clock.advance(100);
    assert.equal(engine.batches.at(-1)!.release.length, 1); // nobody learned the id: not kept
    assert.equal(engine.slots.size, 0);
    assert.deepEqual(rejects, ['superseded', 'cancelled', 'cancelled']);
  });

  it('refuses beyond the bounds with the time that the queue takes to drain', async () => {
    const queue = { maxItems: 2, maxBytes: 1e6, clientShare: 1, quantum: 100, patienceMs: 1000 };
    const { scheduler, clock, rejects } = bench({ queue });
    const measured = scheduler.submit(work());
    await clock.advance(12);
    await measured;
    const accepted = [0, 1, 2].map(() => scheduler.submit(work()));
    await assert.rejects(
      scheduler.submit(work()),
      (error: unknown) => kind('exhausted')(error) && (error as Fault).retryAfterMs === 36,
    );
    assert.deepEqual(rejects, ['queue_full']);
    await clock.advance(100);
    await Promise.all(accepted);
  });

  it('runs background work only when nothing else waits or runs', async () => {
    const { scheduler, clock, engine, reports } = bench();
    const low = scheduler.submit(work({ priority: 'background', contexts: [inline(5)] }));
    const first = scheduler.submit(work());
    const lower = scheduler.submit(work({ priority: 'background', contexts: [inline(6)] }));
    const second = scheduler.submit(work());
    await clock.advance(200);
    await Promise.all([low, first, lower, second]);
    assert.deepEqual(
      reports.map(({ background, works }) => [background, works]),
      [
        [true, 1],
        [false, 2],
        [true, 1],
      ],
    );
    assert.equal(engine.batches.length, 3);
  });

  it('drains: refuses new work, finishes what it accepted', async () => {
    const { scheduler, clock } = bench();
    const accepted = [0, 1, 2].map(() => scheduler.submit(work({ contexts: [inline(10, 1, 5000)] })));
    let drained = false;
    const drain = scheduler.drain().then(() => (drained = true));
    await assert.rejects(scheduler.submit(work()), kind('unavailable'));
    await settled();
    assert.equal(drained, false);
    await clock.advance(200);
    await drain;
    assert.equal((await Promise.all(accepted)).length, 3);
    assert.equal(clock.pending, 0);
    await scheduler.drain();
  });

  it('rejects everything when the engine fails', async () => {
    const { scheduler, clock, engine, rejects } = bench();
    const all = [0, 1, 2, 3, 4].map(() => scheduler.submit(work({ contexts: [inline(60)] })));
    const drain = scheduler.drain();
    await clock.advance(5);
    engine.die();
    for (const one of all) await assert.rejects(one, kind('unavailable'));
    await drain;
    await assert.rejects(scheduler.submit(work()), kind('unavailable'));
    assert.equal(rejects.length, 6);
    assert.equal(clock.pending, 0);
    await scheduler.drain();
  });

  it('loses the works of a batch that rejects, and goes on', async () => {
    const { scheduler, clock, engine, cache, rejects } = bench();
    engine.loseNext = true;
    const lost = scheduler.submit(work({ contexts: [inline(10, 1, 500)] }));
    const next = scheduler.submit(work());
    const caught = assert.rejects(lost, kind('unavailable'));
    await clock.advance(12);
    await caught;
    await clock.advance(12);
    assert.deepEqual([...(await next).raw!], [2, 3]);
    assert.deepEqual(rejects, ['engine_failed']);
    assert.equal(cache.stats.bytes, 0);
    await clock.advance(1);
    assert.equal(engine.slots.size, 0);
    const after = scheduler.submit(work());
    await clock.advance(12);
    assert.equal((await after).raw!.length, 2);
  });

  it('rejects everything on close', async () => {
    const { scheduler, clock } = bench();
    const all = [0, 1].map(() => scheduler.submit(work({ deadlineMs: 500 })));
    scheduler.close();
    for (const one of all) await assert.rejects(one, kind('unavailable'));
    await clock.advance(100);
    assert.equal(clock.pending, 0);
  });

  it('counts waiting requests alone, not background work, and still drains both', async () => {
    const { scheduler, clock } = bench();
    const all = [
      scheduler.submit(work()),
      scheduler.submit(work({ priority: 'background' })),
      scheduler.submit(work()),
    ];
    assert.equal(scheduler.queueDepth, 1);
    assert.equal(scheduler.queueBytes, 48);
    const drained = scheduler.drain();
    await clock.advance(500);
    assert.equal((await Promise.all(all)).length, 3);
    await drained;
  });

  it('leaves no listener on a signal, however its works end', async () => {
    const { scheduler, clock } = bench();
    const { signal } = new AbortController();
    const ends = [
      scheduler.submit(work({ signal })),
      scheduler.submit(work({ signal, deadlineMs: 5 })),
      scheduler.submit(work({ signal, contexts: [inline(5, 13)] })), // poisoned
    ].map((end) => end.catch(() => undefined));
    assert.equal(getEventListeners(signal, 'abort').length, 3);
    await clock.advance(500);
    await Promise.all(ends);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });
});
