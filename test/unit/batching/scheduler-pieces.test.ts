import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../../src/errors.js';
import type { ContextRef, Work } from '../../../src/batching/work.js';
import { bench, inline, work, type Bench } from './work-builder.js';

describe('work larger than a batch', () => {
  /** 1 ms a token, 1/64 ms a step; a piece is 50 ms at most. */
  const H = 64;
  const setUp = (ms = 50): Bench =>
    bench({ bounds: { tokens: 1000, steps: 1e6, contexts: 100, ms } }, { msPerStep: 1 / H });
  const chunks = (count: number): Work['task'] => ({
    kind: 'score',
    actions: {
      values: Float32Array.from({ length: count * H }, (_, i) => Math.floor(i / H)),
      candidates: count,
      steps: H,
    },
  });
  const measured = async ({ scheduler, clock }: Bench): Promise<void> => {
    const first = scheduler.submit(work({ task: chunks(1) }));
    await clock.advance(100);
    await first;
  };

  it('is cut by contexts and by candidates, and answers what it would answer whole', async () => {
    for (const [contexts, candidates, pieces] of [
      [6, 5, 2], // 15 ms a row: three rows a piece
      [3, 90, 6], // 10 + 90 ms a row
      [1, 130, 3],
    ] as const) {
      const all = setUp();
      await measured(all);
      const { scheduler, clock, engine, reports } = all;
      const result = scheduler.submit(
        work({
          contexts: Array.from({ length: contexts }, (_, i) => inline(10, 20 + i)),
          task: chunks(candidates),
        }),
      );
      await clock.advance(1000);
      const { raw, timings } = await result;
      const wanted = Array.from({ length: contexts }, (_, i) =>
        Array.from({ length: candidates * H }, (_, k) => 20 + i + Math.floor(k / H)),
      ).flat();
      assert.deepEqual([...raw!], wanted);
      assert.ok(reports.length - 1 >= pieces, `${reports.length - 1} pieces`);
      for (const { wallMs } of reports.slice(1)) assert.ok(wallMs <= 50, `a piece of ${wallMs} ms`);
      assert.equal(timings.encodeMs, contexts * 10);
      assert.equal(timings.scoreMs, contexts * candidates);
      assert.equal(timings.queueMs, 0);
      const works = engine.batches.flatMap(({ score }) => score.flatMap(({ part }) => part?.work ?? []));
      assert.equal(
        new Set(works).size,
        contexts === 1 ? 0 : 1,
        'its number, where several contexts meet its chunks',
      );
      await clock.advance(1);
      assert.deepEqual([engine.slots.size, engine.works.size], [0, 0]);
    }
  });

  it('delays another request by one piece at most, whoever sends it', async () => {
    for (const client of ['a', 'b']) {
      const all = setUp();
      await measured(all);
      const { scheduler, clock } = all;
      const contexts = Array.from({ length: 64 }, (_, i) => inline(10, 20 + i));
      const large = scheduler.submit(work({ client: 'a', contexts, task: chunks(20) })); // 1920 ms
      for (let i = 0; i < 8; i++) {
        await clock.advance(37);
        const sentMs = clock.nowMs();
        let answeredMs = Infinity;
        const small = scheduler
          .submit(work({ client, task: chunks(1) })) // 11 ms
          .then(() => (answeredMs = clock.nowMs()));
        await clock.advance(80);
        await small;
        assert.ok(answeredMs - sentMs <= 50 + 11, `answered after ${answeredMs - sentMs} ms`);
      }
      await clock.advance(3000);
      assert.equal((await large).raw!.length, 64 * 20 * H);
    }
  });

  it('ends with the fault of one piece, a cancellation or its deadline; what is left is not computed', async () => {
    const all = setUp();
    await measured(all);
    const { scheduler, clock, engine, rejects } = all;
    const contexts = (poison: boolean): ContextRef[] =>
      Array.from({ length: 20 }, (_, i) => inline(10, poison && i === 7 ? 13 : 20 + i, 1000));
    const abort = new AbortController();
    const ends = [
      scheduler.submit(work({ contexts: contexts(true), task: chunks(20) })),
      scheduler.submit(work({ contexts: contexts(false), task: chunks(20), signal: abort.signal })),
      scheduler.submit(work({ contexts: contexts(false), task: chunks(20), deadlineMs: 900 })),
    ].map((result) => result.catch((error: Fault) => error.kind));
    await clock.advance(300);
    abort.abort();
    engine.msPerToken = 30;
    await clock.advance(5000);
    assert.deepEqual(await Promise.all(ends), ['invalid', 'cancelled', 'deadline']);
    assert.equal(rejects.length, 3);
    const tokens = engine.batches.flatMap(({ encode }) => encode).length;
    assert.ok(tokens < 1 + 8 + 2 * 20, `${tokens} contexts were encoded`);
    await clock.advance(1);
    assert.deepEqual([engine.slots.size, engine.works.size], [0, 0]);
  });

  it('is not superseded once it was begun', async () => {
    const all = setUp();
    await measured(all);
    const { scheduler, clock } = all;
    const abort = new AbortController();
    const contexts = Array.from({ length: 6 }, (_, i) => inline(10, 20 + i));
    const large = scheduler.submit(work({ contexts, task: chunks(20), signal: abort.signal }));
    await clock.advance(60);
    abort.abort(new Fault('superseded', 'newer'));
    await clock.advance(1000);
    assert.equal((await large).raw!.length, 6 * 20 * H);
  });
});
