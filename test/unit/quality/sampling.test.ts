import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../src/random.js';
import { Recent } from '../../../src/quality/figures.js';
import { Reservoir, Sampler } from '../../../src/quality/sampling.js';

const all = (): boolean => true;

describe('reservoir', () => {
  it('keeps every item of a window with the same chance (chi-square, fixed seed)', () => {
    const [capacity, items, runs] = [10, 50, 4000];
    const counts = new Array<number>(items).fill(0);
    for (let run = 0; run < runs; run++) {
      const reservoir = new Reservoir<number>({ capacity, windowMs: 1e9, random: seededRandom(run) });
      for (let i = 0; i < items; i++) reservoir.offer(0, () => i);
      for (const item of reservoir.draw(0, items, all)) counts[item]!++;
    }
    const expected = (runs * capacity) / items;
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    assert.ok(chi < 85.4, `chi-square ${chi}`); // 0.999 quantile with 49 degrees of freedom
  });

  it('is bounded, draws without repeating, and holds nothing older than two windows', () => {
    const offers = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer(), offers, fc.integer({ min: 1, max: 8 }), (seed, gaps, capacity) => {
        const windowMs = 100;
        const reservoir = new Reservoir<{ atMs: number }>({ capacity, windowMs, random: seededRandom(seed) });
        let nowMs = 0;
        for (const gap of gaps) {
          nowMs += gap;
          const atMs = nowMs;
          reservoir.offer(nowMs, () => ({ atMs }));
          assert.ok(reservoir.size <= 2 * capacity);
          const drawn = reservoir.draw(nowMs, 1000, all);
          assert.equal(new Set(drawn).size, drawn.length);
          assert.equal(drawn.length, reservoir.size);
          for (const item of drawn) assert.ok(nowMs - item.atMs < 2 * windowMs);
        }
        assert.equal(reservoir.draw(nowMs + 2 * windowMs, 10, all).length, 0);
      }),
    );
  });

  it('draws what fits alone, and makes only what it keeps', () => {
    const reservoir = new Reservoir<number>({ capacity: 20, windowMs: 1e9, random: seededRandom(1) });
    let made = 0;
    for (let i = 0; i < 1000; i++) {
      reservoir.offer(0, () => {
        made++;
        return i;
      });
    }
    assert.ok(made < 200, `${made} made`); // 20 + 20 ln(1000 / 20) = 98 expected
    const odd = reservoir.draw(0, 1000, (item) => item % 2 === 1);
    assert.ok(odd.length > 0 && odd.every((item) => item % 2 === 1));
    assert.equal(reservoir.draw(0, 3, all).length, 3);
  });
});

describe('sampler', () => {
  it('takes its share', () => {
    const random = seededRandom(3);
    const sampler = new Sampler({ share: 0.05, chunksPerSecond: 1e9, random });
    let taken = 0;
    for (let i = 0; i < 20_000; i++) if (sampler.draws()) taken++;
    assert.ok(Math.abs(taken - 1000) < 3.3 * Math.sqrt(20_000 * 0.05 * 0.95), `${taken} of 20000`);
  });

  it('affords at most one second of budget (one sample, where that is more) at once and the rate in the long run', () => {
    const arbitrary = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 200 }), (gaps, chunks) => {
        const sampler = new Sampler({ share: 1, chunksPerSecond: 50, random: { uniform: () => 0 } });
        let nowMs = 0;
        let spent = 0;
        for (const gap of gaps) {
          nowMs += gap;
          if (sampler.affords(nowMs, chunks)) {
            assert.ok(sampler.affords(nowMs, chunks), 'asking costs nothing');
            sampler.spend(chunks);
            spent += chunks;
          }
          const sinceFirst = nowMs - gaps[0]!;
          assert.ok(spent <= Math.max(50, chunks) + (sinceFirst / 1000) * 50 + 1e-6);
        }
        assert.ok(spent >= chunks, 'the first is always within the budget');
      }),
    );
  });

  it('samples at its rate when a sample costs more than a second of budget', () => {
    const sampler = new Sampler({ share: 1, chunksPerSecond: 2, random: { uniform: () => 0 } });
    let taken = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 50) {
      if (!sampler.affords(nowMs, 8)) continue;
      sampler.spend(8);
      taken++;
    }
    assert.equal(taken, 15, 'one of 8 chunks each 4 seconds');
  });

  it('takes nothing at share 0 and everything at share 1', () => {
    const random = seededRandom(4);
    const off = new Sampler({ share: 0, chunksPerSecond: 1e9, random });
    const on = new Sampler({ share: 1, chunksPerSecond: 1e9, random });
    for (let i = 0; i < 1000; i++) {
      assert.ok(!off.draws());
      assert.ok(on.draws());
    }
  });
});

it('recent items are the last ones, none too old', () => {
  const pushes = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 });
  fc.assert(
    fc.property(pushes, fc.integer({ min: 1, max: 10 }), (gaps, capacity) => {
      const recent = new Recent<number>({ capacity, maxAgeMs: 50 });
      const model: { value: number; atMs: number }[] = [];
      let nowMs = 0;
      for (const [value, gap] of gaps.entries()) {
        nowMs += gap;
        recent.push(nowMs, value);
        model.push({ value, atMs: nowMs });
        const wanted = model.slice(-capacity).filter(({ atMs }) => nowMs - atMs <= 50);
        assert.deepEqual(
          recent.values(nowMs).sort((a, b) => a - b),
          wanted.map((each) => each.value),
        );
      }
    }),
  );
});
