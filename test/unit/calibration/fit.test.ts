/** What the fit promises: a known temperature found, calibration error down, p-values uniform, a split that holds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { expertPValue, expertsByStep, expertSample } from '../../../src/calibration/fit/experts.js';
import type { CandidateGroups } from '../../../src/calibration/metrics/groups.js';
import { infonceRows } from '../../../src/calibration/metrics/infonce.js';
import { expectedCalibrationError } from '../../../src/calibration/metrics/reliability.js';
import { seededRandom } from '../../../src/random.js';
import { splitRows } from '../../../src/calibration/data/split.js';
import { fitTemperature } from '../../../src/calibration/fit/temperature.js';

/** Groups whose expert was drawn from softmax(-E / tau): tau is the truth. */
function groupsWithTemperature(tau: number, rows: number, width: number, seed: number): CandidateGroups {
  const random = seededRandom(seed);
  const scores = Float64Array.from({ length: rows * width }, () => 3 + random.normal());
  const own = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const shares = scores.subarray(row * width, (row + 1) * width).map((energy) => Math.exp(-energy / tau));
    let place = random.uniform() * shares.reduce((sum, share) => sum + share, 0);
    while (own[row]! < width - 1 && (place -= shares[own[row]!]!) > 0) own[row]! += 1;
  }
  return { rows, width, scores, own, usable: new Uint8Array(rows * width).fill(1) };
}

function constantGroups(scores: number[], width: number): CandidateGroups {
  const rows = scores.length / width;
  return {
    rows,
    width,
    scores: Float64Array.from(scores),
    own: new Int32Array(rows),
    usable: new Uint8Array(scores.length).fill(1),
  };
}

describe('temperature', () => {
  for (const [tau, seed] of [
    [0.2, 1],
    [0.5, 2],
    [1.0, 3],
  ] as const) {
    it(`recovers ${tau} within 2 percent, and the calibration error falls`, () => {
      const fitted = fitTemperature(groupsWithTemperature(tau, 60_000, 16, seed), 1);
      assert.equal(fitted.status, 'fitted');
      assert.ok(Math.abs(fitted.tau / tau - 1) < 0.02, `found ${fitted.tau}`);
      const heldOut = groupsWithTemperature(tau, 8000, 16, seed + 100);
      const error = (at: number): number => {
        const { confidence, correct } = infonceRows(heldOut, at);
        return expectedCalibrationError(confidence, correct, new Float64Array(heldOut.rows).fill(1));
      };
      assert.ok(error(fitted.tau) < 0.025, `${error(fitted.tau)} after the fit`);
      assert.ok(error(fitted.tau) < error(tau * 2.5) / 2);
      assert.ok(error(fitted.tau) < error(tau / 2.5) / 2);
    });
  }

  it('names what is degenerate', () => {
    assert.equal(fitTemperature(constantGroups([1, 1, 1, 1], 2), 0.5).status, 'constant');
    assert.equal(fitTemperature(constantGroups([1, 1, 1, 1], 2), 0.5).tau, 0.5);
    assert.equal(fitTemperature(constantGroups([0, 1, 0, 2], 2), 0.5).status, 'separable');
    assert.equal(fitTemperature(constantGroups([1, 0, 2, 0], 2), 0.5).status, 'no_preference');
  });

  it('scales with the energies', () => {
    const groups = groupsWithTemperature(0.5, 2000, 8, 7);
    const { tau } = fitTemperature(groups, 1);
    const scaled = { ...groups, scores: groups.scores.map((energy) => 1000 * energy + 3) };
    assert.ok(Math.abs(fitTemperature(scaled, 1).tau / (1000 * tau) - 1) < 1e-6);
  });
});

describe('p-values', () => {
  it('of new experts are uniform (Kolmogorov and Smirnov, 1 percent)', () => {
    const random = seededRandom(11);
    const draw = (): number => Math.exp(random.normal());
    const sample = expertSample(Float64Array.from({ length: 5000 }, draw));
    const p = Float64Array.from({ length: 2000 }, () => expertPValue(sample, draw())).sort();
    const distance = Math.max(
      ...p.map((value, i) => Math.max(Math.abs(value - i / p.length), Math.abs((i + 1) / p.length - value))),
    );
    // two samples: 1.63 sqrt(1/n + 1/m)
    assert.ok(distance < 1.63 * Math.sqrt(1 / 5000 + 1 / 2000), `distance ${distance}`);
  });

  it('never fall below the exact value when the sample is thinned', () => {
    const random = seededRandom(12);
    const experts = Float64Array.from({ length: 7001 }, () => Math.round(random.normal() * 1000) / 1000);
    const sample = expertSample(experts);
    for (let i = 0; i < 500; i++) {
      const energy = random.normal() * 1.2;
      const exact = (1 + experts.filter((value) => value >= energy).length) / (experts.length + 1);
      const found = expertPValue(sample, energy);
      assert.ok(found >= exact - 1e-12 && found <= exact + 2 / 1024, `${found} for ${exact}`);
    }
  });

  it('of an energy above every expert are the smallest, however large the sample', () => {
    for (const n of [40, 1024, 5000]) {
      const sample = expertSample(Float64Array.from({ length: n }, (_, i) => i));
      assert.equal(expertPValue(sample, n), 1 / (n + 1));
      assert.equal(expertPValue(sample, n - 1), 2 / (n + 1));
    }
  });

  it('count exactly in small samples, ties included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: -1, max: 18 }),
        (experts, twice) => {
          const energy = twice / 2;
          const exact = (1 + experts.filter((value) => value >= energy).length) / (experts.length + 1);
          assert.ok(Math.abs(expertPValue(expertSample(Float64Array.from(experts)), energy) - exact) < 1e-12);
        },
      ),
    );
  });

  it('by step compare with experts at that time', () => {
    const steps = Float64Array.from({ length: 400 }, (_, i) => i);
    const byStep = expertsByStep(
      steps.map((step) => step / 100),
      steps,
    )!;
    assert.equal(byStep.buckets.length, byStep.edges.length + 1);
    assert.ok(expertPValue(byStep.buckets[0]!, 2) < 0.02);
    assert.equal(expertPValue(byStep.buckets.at(-1)!, 2), 1);
    assert.equal(expertsByStep(steps.subarray(0, 60), steps.subarray(0, 60)), undefined);
  });
});

describe('split', () => {
  const ids = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 2, maxLength: 200 });

  it('never has an episode on both sides, and loses no row', () => {
    fc.assert(
      fc.property(ids, fc.integer(), (episodes, seed) => {
        fc.pre(new Set(episodes).size > 1);
        const split = splitRows({ rows: episodes.length, episode: Float64Array.from(episodes) }, seed);
        const of = (rows: Int32Array): Set<number> => new Set(Array.from(rows, (row) => episodes[row]!));
        const heldOut = of(split.heldOut);
        assert.deepEqual(
          [...of(split.fit)].filter((episode) => heldOut.has(episode)),
          [],
        );
        assert.equal(split.fit.length + split.heldOut.length, episodes.length);
        assert.ok(split.fit.length > 0 && split.heldOut.length > 0);
      }),
    );
  });

  it('by row would leak: neighbours find themselves on the other side', () => {
    // energies that depend on the episode alone: a row split predicts the held-out part from its neighbours, ours cannot
    const episodes = Float64Array.from({ length: 1000 }, (_, i) => Math.floor(i / 20));
    const random = seededRandom(5);
    const level = Float64Array.from({ length: 50 }, () => random.normal());
    const energy = (row: number): number => level[episodes[row]!]!;
    const error = (fit: Int32Array, heldOut: Int32Array): number => {
      const known = new Map(Array.from(fit, (row) => [episodes[row]!, energy(row)]));
      const mean = Array.from(fit, energy).reduce((sum, value) => sum + value, 0) / fit.length;
      const squares = Array.from(heldOut, (row) => (energy(row) - (known.get(episodes[row]!) ?? mean)) ** 2);
      return squares.reduce((sum, value) => sum + value, 0) / squares.length;
    };
    const split = splitRows({ rows: 1000, episode: episodes }, 3);
    const byRow = splitRows({ rows: 1000, episode: Float64Array.from({ length: 1000 }, (_, i) => i) }, 3);
    assert.ok(error(byRow.fit, byRow.heldOut) < 1e-12);
    assert.ok(error(split.fit, split.heldOut) > 0.3);
  });

  it('is near half, seeded, and says what it kept whole', () => {
    const episode = Float64Array.from({ length: 1000 }, (_, i) => Math.floor(i / 25));
    const first = splitRows({ rows: 1000, episode }, 1);
    assert.deepEqual(splitRows({ rows: 1000, episode }, 1), first);
    assert.notDeepEqual(splitRows({ rows: 1000, episode }, 2).fit, first.fit);
    assert.ok(Math.abs(first.fit.length - 500) <= 25);
    assert.equal(first.by, 'episode');
    assert.equal(splitRows({ rows: 1000, task: episode }, 1).by, 'task');
    assert.equal(splitRows({ rows: 1000 }, 1).by, 'block');
    assert.throws(
      () => splitRows({ rows: 5, episode: new Float64Array(5) }, 1),
      /all rows belong to one episode/,
    );
  });
});
