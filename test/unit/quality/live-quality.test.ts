import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toFault } from '../../../src/errors.js';
import { seededRandom } from '../../../src/random.js';
import { LiveQuality, type QualitySettings, type SampleOutcome } from '../../../src/quality/live-quality.js';
import { smallCard } from '../../support/bundles.js';
import type { Calibration } from '../../../src/calibration/calibration-schema.js';
import { settled } from '../../support/fake-clock.js';
import { bench, inline, work, type Bench } from '../batching/work-builder.js';

/** One step of one dim, linear readout: an energy is first byte + action, as the fake engine computes it. */
const card = smallCard({ action_dim: 1, chunk: 1, readout: { kind: 'linear' } });
const SETTINGS: QualitySettings = { share: 1, negatives: 4, chunksPerSecond: 1e6, patienceMs: 50 };

interface Live extends Bench {
  readonly quality: LiveQuality;
  readonly outcomes: SampleOutcome[];
  /** Of those that have one. */
  readonly causes: string[];
  /** One request of one client, as the service makes it. */
  score(values: number[], known?: { source: 'expert' | 'executed'; index: number }): Promise<void>;
}

function live(changes: Partial<QualitySettings> = {}, calibration?: Calibration): Live {
  const all = bench({ backgroundGraceMs: 5 });
  const outcomes: SampleOutcome[] = [];
  const causes: string[] = [];
  const quality = new LiveQuality({
    card,
    scheduler: all.scheduler,
    clock: all.clock,
    random: seededRandom(1),
    settings: { ...SETTINGS, ...changes },
    calibration: () => calibration,
    onSample: (outcome, cause) => {
      outcomes.push(outcome);
      if (cause) causes.push(`${outcome}: ${cause.kind}`);
    },
  });
  return {
    ...all,
    quality,
    outcomes,
    causes,
    async score(values, known) {
      const actions = { values: Float32Array.from(values), candidates: values.length, steps: 1 };
      const hold = quality.wants(1);
      const submitted = all.scheduler.submit(
        work({ contexts: [inline(10, 2)], task: { kind: 'score', actions }, hold }),
      );
      const result = await submitted;
      quality.observe({
        actions,
        raw: result.raw!,
        ...(known && { known }),
        ...(result.held && { held: result.held }),
      });
    },
  };
}

/** Enough requests for negatives, and time for whatever they sample. */
async function fill(all: Live): Promise<void> {
  for (const value of [10, 20, 30, 40]) {
    const scored = all.score([value]);
    await all.clock.advance(200);
    await scored;
  }
}

describe('live quality', () => {
  it('scores a sample without encoding again, in the idle time, and leaves nothing in the engine', async () => {
    const all = live();
    await fill(all);
    const encoded = all.engine.batches.flatMap(({ encode }) => encode).length;
    const done = all.score([1, 0, 5], { source: 'expert', index: 1 });
    await all.clock.advance(100);
    await done;
    assert.equal(all.engine.batches.flatMap(({ encode }) => encode).length, encoded + 1);
    assert.equal(all.outcomes.at(-1), 'taken');
    assert.equal(all.engine.slots.size, 0);
    assert.equal(all.cache.stats.bytes, 0);
    const { row } = all.quality.figures().find(({ source }) => source === 'expert')!;
    assert.equal(row?.positive, 2);
    assert.equal(row?.negative, 2 + (10 + 20 + 30 + 40) / 4);
    assert.equal(row?.accuracy, 1);
  });

  it('compares the chunk that the caller names, by source', async () => {
    const all = live();
    await fill(all);
    for (const [source, index] of [
      ['expert', 2],
      ['executed', 1],
    ] as const) {
      const done = all.score([1, 3, 5], { source, index });
      await all.clock.advance(100);
      await done;
      const { row } = all.quality.figures().find((each) => each.source === source)!;
      assert.equal(row?.positive, 2 + [1, 3, 5][index]!);
    }
  });

  it('computes the loss at the fitted temperature, and at that of the card without a calibration', async () => {
    const readout = { temperature: { tau: 7 } };
    const fitted = {
      scores: { readout },
      data: { action_units: [1], near_duplicate: 0.1 },
    } as unknown as Calibration;
    for (const [tau, calibration] of [
      [card.tau, undefined],
      [7, fitted],
    ] as const) {
      const all = live({}, calibration);
      await fill(all);
      const done = all.score([12], { source: 'expert', index: 0 });
      await all.clock.advance(100);
      await done;
      const { row } = all.quality.figures().find(({ source }) => source === 'expert')!;
      const terms = [12, 10, 20, 30, 40].map((value) => Math.exp((12 - value) / tau));
      const loss = Math.log(terms.reduce((sum, term) => sum + term));
      assert.ok(Math.abs(row!.loss - loss) < 1e-6, `${row!.loss} is not ${loss} at tau ${tau}`);
    }
  });

  it('spends its budget on samples that are taken alone', async () => {
    const all = live({ chunksPerSecond: 4 });
    for (let i = 0; i < 30; i++) {
      // near-duplicates: no sample has negatives left
      const done = all.score([7]);
      await all.clock.advance(200);
      await done;
    }
    assert.deepEqual(
      new Set(all.outcomes),
      new Set(['few_chunks']),
      'nothing was scored, so nothing was spent',
    );
  });

  it('samples also when a second of budget holds fewer chunks than a sample', async () => {
    const all = live({ chunksPerSecond: 1, negatives: 4 });
    for (let i = 0; i < 100; i++) {
      const done = all.score([10 * i]);
      await all.clock.advance(200);
      await done;
    }
    const taken = all.outcomes.filter((outcome) => outcome === 'taken').length;
    // 20 seconds at 1 chunk a second: 5 samples of 4 chunks, and what was saved up before
    assert.ok(taken >= 4 && taken <= 7, `${taken} taken of ${all.outcomes.length}`);
  });

  it('waits out the grace and drops the sample when the engine stays busy', async () => {
    const all = live();
    await fill(all);
    const done = all.score([1, 2]);
    // requests that follow each other: the engine is never idle for the grace
    const others: Promise<unknown>[] = [];
    for (let i = 0; i < 30; i++) {
      await all.clock.advance(4);
      others.push(all.scheduler.submit(work({ contexts: [inline(3, 1)] })));
    }
    assert.equal(all.outcomes.at(-1), 'busy');
    assert.deepEqual(all.causes, ['busy: deadline']);
    assert.equal(all.reports.filter(({ background }) => background).length, 2, 'only those of the filling');
    await all.clock.advance(500);
    await Promise.all([done, ...others]);
    assert.equal(all.engine.slots.size, 0);
  });

  it('holds one context at a time', async () => {
    const all = live();
    await fill(all);
    const both = [all.score([1]), all.score([2])];
    await all.clock.advance(500);
    await Promise.all(both);
    assert.deepEqual(all.outcomes.slice(-2).sort(), ['outstanding', 'taken']);
    assert.equal(all.engine.slots.size, 0);
  });

  it('leaves out near-duplicates, and says when nothing is left', async () => {
    const all = live();
    for (let i = 0; i < 6; i++) {
      const done = all.score([7]);
      await all.clock.advance(200);
      await done;
    }
    assert.deepEqual(new Set(all.outcomes), new Set(['few_chunks']));
    assert.equal(all.engine.slots.size, 0);
  });

  it('does nothing at share 0', async () => {
    const all = live({ share: 0 });
    await fill(all);
    assert.deepEqual(all.outcomes, []);
    assert.ok(all.quality.figures().every(({ row }) => row === undefined));
    assert.equal(all.reports.length, 4);
  });

  it('gives the context up when its request was cancelled', async () => {
    const all = live();
    await fill(all);
    assert.ok(all.quality.wants(1));
    const abort = new AbortController();
    const submitted = all.scheduler.submit(work({ signal: abort.signal, hold: true }));
    abort.abort();
    await assert.rejects(submitted, (error) => {
      all.quality.forgo(toFault(error));
      return true;
    });
    assert.deepEqual(all.causes, ['request_failed: cancelled']);
    await all.clock.advance(500);
    await settled();
    assert.equal(all.engine.slots.size, 0);
    assert.ok(all.quality.wants(1), 'the next one is free to be taken');
  });
});
