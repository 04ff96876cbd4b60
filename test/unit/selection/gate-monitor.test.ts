import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../src/random.js';
import { drawnOutcome, GateMonitor, pairedOutcome } from '../../../src/selection/gate-monitor.js';

const BOUND = 0.05;
const RUNS = 300;

/** Runs that closed within `outcomes`, and the median outcome at which they did. */
function closings(
  outcomes: number,
  draw: (random: ReturnType<typeof seededRandom>) => Parameters<GateMonitor['observe']>[0],
) {
  const at: number[] = [];
  for (let seed = 0; seed < RUNS; seed++) {
    const random = seededRandom(seed, 'outcomes');
    const monitor = new GateMonitor(BOUND);
    while (monitor.open && monitor.outcomes < outcomes) monitor.observe(draw(random));
    if (!monitor.open) at.push(monitor.outcomes);
  }
  at.sort((a, b) => a - b);
  return { share: at.length / RUNS, median: at[at.length >> 1] };
}

/** Pairs of costs where the choice is worse in a share `harm` of cases. */
const paired = (harm: number) => (random: ReturnType<typeof seededRandom>) =>
  random.uniform() < harm ? pairedOutcome(1, 0) : pairedOutcome(0.5, 0.5);

/** A policy that fails half of the time, choices that fail by `more` more often, one in five for the control. */
const drawn = (more: number) => (random: ReturnType<typeof seededRandom>) => {
  const isBaseline = random.uniform() < 0.2;
  const fails = random.uniform() < (isBaseline ? 0.5 : 0.5 + more);
  return drawnOutcome(Number(fails), isBaseline, 0.2);
};

describe('the monitor of the gate', () => {
  test('a bound that just holds is closed in at most one case of twenty, however long one looks', () => {
    // three standard deviations of the count of runs beside the promise
    const most = 0.05 + 3 * Math.sqrt((0.05 * 0.95) / RUNS);
    assert.ok(closings(3000, paired(BOUND)).share <= most);
    assert.ok(closings(3000, drawn(BOUND)).share <= most);
  });

  test('a broken bound is closed, sooner the worse it is broken', () => {
    const mild = closings(3000, paired(0.1));
    const gross = closings(3000, paired(0.4));
    assert.equal(gross.share, 1);
    assert.ok(mild.share > 0.95, String(mild.share));
    assert.ok(gross.median! <= 15 && mild.median! > gross.median!, `${gross.median!}, ${mild.median!}`);
    const live = closings(3000, drawn(0.35));
    assert.ok(live.share > 0.99 && live.median! < 300, `${live.share}, ${live.median!}`);
  });

  test('a choice that helps never closes it', () => {
    assert.equal(closings(2000, drawn(-0.2)).share, 0);
  });

  test('the expectation of what is drawn is the difference of the costs', () => {
    const share = 0.3;
    for (const [choice, baseline] of [
      [0.2, 0.9],
      [0.7, 0.1],
    ] as const) {
      const mean =
        share * drawnOutcome(baseline, true, share).value +
        (1 - share) * drawnOutcome(choice, false, share).value;
      assert.ok(Math.abs(mean - (choice - baseline)) < 1e-12);
    }
  });

  test('capital is never negative, NaN or infinite, and a closed gate stays closed', () => {
    const outcome = fc.oneof(
      fc
        .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
        .map(([a, b]) => pairedOutcome(a, b)),
      fc
        .tuple(
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.boolean(),
          fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        )
        .map(([cost, isBaseline, share]) => drawnOutcome(cost, isBaseline, share)),
    );
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 2000, size: 'max' }), (outcomes) => {
        const monitor = new GateMonitor(BOUND);
        let closed = false;
        for (const each of outcomes) {
          monitor.observe(each);
          assert.ok(monitor.evidence >= 0 && Number.isFinite(monitor.evidence));
          closed ||= !monitor.open;
          assert.equal(monitor.open, !closed);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('no bound, no monitor', () => {
    for (const bound of [0, 1, -1, NaN]) assert.throws(() => new GateMonitor(bound), /not a bound on harm/);
  });
});
