import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../src/random.js';
import type { ActionBatch } from '../../../src/model/actions.js';
import type { ActionTraits } from '../../../src/selection/candidates.js';
import {
  applyRule,
  CONSENSUS_RULES,
  ENERGY_RULES,
  samplesOf,
  type Choice,
} from '../../../src/selection/rules.js';

const RULES = [...ENERGY_RULES, ...CONSENSUS_RULES];
const STEPS = 3;
const DIMS = 4;
const LENGTH = STEPS * DIMS;
const GRIPPER = { dims: DIMS, twoValued: { dim: 3, middle: 0.5 }, oneUnit: true } satisfies ActionTraits;

function batchOf(chunks: readonly (readonly number[])[]): ActionBatch {
  return { values: Float32Array.from(chunks.flat()), candidates: chunks.length, steps: STEPS };
}

const coordinate = fc.double({ min: -1, max: 1, noNaN: true }).map(Math.fround);
const chunk = fc
  .array(coordinate, { minLength: LENGTH, maxLength: LENGTH })
  .map((values) => values.map((value, k) => (k % DIMS === 3 ? Number(value > 0) : value)));
const energy = fc.double({ noNaN: true, noDefaultInfinity: true });
/** Chunks with an energy each, and which is the baseline. */
const moments = fc.array(fc.record({ chunk, energy }), { minLength: 1, maxLength: 24 }).chain((candidates) =>
  fc.record({
    candidates: fc.constant(candidates),
    baseline: fc.nat({ max: candidates.length - 1 }),
    traits: fc.constantFrom<ActionTraits>(
      GRIPPER,
      { ...GRIPPER, oneUnit: false },
      { ...GRIPPER, twoValued: undefined },
    ),
  }),
);
type Moment = typeof moments extends fc.Arbitrary<infer T> ? T : never;

function choose(rule: (typeof RULES)[number], { candidates, baseline, traits }: Moment): Choice {
  const samples = samplesOf(batchOf(candidates.map(({ chunk }) => chunk)), traits, baseline);
  return applyRule(
    rule,
    samples,
    Float64Array.from(candidates, ({ energy }) => energy),
  );
}

describe('every rule, whatever the candidates and energies', () => {
  for (const rule of RULES) {
    test(`${rule}: stays within the candidates, votes on the gripper, and its weights are shares`, () => {
      fc.assert(
        fc.property(moments, (moment) => {
          const { candidates, traits } = moment;
          const { chunk, weights, index, origin } = choose(rule, moment);
          assert.equal(weights.length, candidates.length);
          assert.ok(weights.every((weight) => weight >= 0));
          assert.ok(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-12);
          assert.ok(index >= 0 && index < candidates.length);
          const used = candidates.filter((_, i) => weights[i]! > 0);
          for (const [k, value] of chunk.entries()) {
            const values = used.map(({ chunk }) => chunk[k]!);
            assert.ok(value >= Math.min(...values) && value <= Math.max(...values));
            if (k % DIMS === 3 && traits.twoValued) assert.ok(value === 0 || value === 1);
          }
          if (origin === 'candidate') assert.deepEqual([...chunk], candidates[index]!.chunk);
        }),
      );
    });

    test(`${rule}: the order of the candidates does not matter`, () => {
      fc.assert(
        fc.property(fc.integer(), fc.integer({ min: 1, max: 24 }), (seed, count) => {
          const moment = randomMoment(seed, count);
          const keys = seededRandom(seed, 'order');
          const order = [...moment.candidates.keys()]
            .map((i) => ({ i, key: keys.uniform() }))
            .sort((a, b) => a.key - b.key)
            .map(({ i }) => i);
          const permuted = {
            ...moment,
            candidates: order.map((i) => moment.candidates[i]!),
            baseline: order.indexOf(moment.baseline),
          };
          fc.pre(!hasEqualModes(moment)); // of which the first is taken
          const [a, b] = [choose(rule, moment), choose(rule, permuted)];
          assert.equal(order[b.index], a.index);
          for (const [k, value] of a.chunk.entries()) assert.ok(Math.abs(value - b.chunk[k]!) < 1e-5);
        }),
      );
    });
  }
});

/** No two distances and no two energies are equal. */
function randomMoment(seed: number, count: number): Moment {
  const random = seededRandom(seed, 'moment');
  const candidates = Array.from({ length: count }, () => ({
    chunk: Array.from({ length: LENGTH }, (_, k) =>
      k % DIMS === 3 ? random.below(2) : Math.fround(random.normal()),
    ),
    energy: random.normal(),
  }));
  const traits = random.below(2) === 0 ? GRIPPER : { ...GRIPPER, oneUnit: false };
  return { candidates, baseline: random.below(count), traits };
}

function hasEqualModes({ candidates, baseline, traits }: Moment): boolean {
  const { modes } = samplesOf(batchOf(candidates.map(({ chunk }) => chunk)), traits, baseline);
  const sizes = Array.from({ length: modes.count }, (_, mode) => modes.of.filter((of) => of === mode).length);
  return sizes.filter((size) => size === Math.max(...sizes)).length > 1;
}

function samplesFrom(chunks: readonly (readonly number[])[], baseline = 0, traits: ActionTraits = GRIPPER) {
  return samplesOf(batchOf(chunks), traits, baseline);
}

/** A chunk with the same motion in each step. */
function motion(x: number, y: number, z: number, gripper: number): number[] {
  return Array.from({ length: STEPS }, () => [x, y, z, gripper]).flat();
}

describe('the edges', () => {
  test('one candidate is what every rule chooses', () => {
    for (const rule of RULES) {
      const choice = applyRule(rule, samplesFrom([motion(0.1, 0.2, 0.3, 1)]), Float64Array.of(7));
      assert.equal(choice.origin, 'candidate');
      assert.equal(choice.index, 0);
      assert.deepEqual([...choice.weights], [1]);
    }
  });

  test('equal energies: the baseline wins a tie, and the mean weighs all alike', () => {
    const chunks = [0, 0.1, 0.2, 0.3].map((x) => motion(x, 0, 0, 0));
    const energies = new Float64Array(4).fill(3);
    assert.equal(applyRule('energy', samplesFrom(chunks, 2), energies).index, 2);
    const { weights } = applyRule('energy_mean', samplesFrom(chunks, 2), energies);
    assert.deepEqual([...weights], [0.25, 0.25, 0.25, 0.25]);
  });

  test('the soft weights are softmax(-z / 0.3)', () => {
    const chunks = [0, 0.1, 0.2, 0.3].map((x) => motion(x, 0, 0, 0));
    const energies = Float64Array.of(1, 2, 3, 6); // mean 3, std sqrt(3.5)
    const { weights } = applyRule('energy_mean', samplesFrom(chunks), energies);
    const raw = [...energies].map((e) => Math.exp(-(e - 3) / Math.sqrt(3.5) / 0.3));
    const sum = raw.reduce((a, b) => a + b, 0);
    for (const [i, weight] of weights.entries()) assert.ok(Math.abs(weight - raw[i]! / sum) < 1e-12);
  });

  test('energies that are missing, too few or not finite are refused', () => {
    const samples = samplesFrom([0, 0.1, 0.2].map((x) => motion(x, 0, 0, 0)));
    for (const rule of ENERGY_RULES) {
      assert.throws(() => applyRule(rule, samples), /one energy for each/);
      assert.throws(() => applyRule(rule, samples, Float64Array.of(1, 2)), /one energy for each/);
      for (const bad of [NaN, Infinity, -Infinity]) {
        assert.throws(() => applyRule(rule, samples, Float64Array.of(0, bad, 1)), /energy\[1\]: not finite/);
      }
    }
    assert.throws(() => samplesFrom([motion(0, 0, 0, 0)], 1), /baseline_index: no such candidate/);
  });

  test('a gripper is voted on by weight, not averaged', () => {
    const chunks = [
      motion(0, 0, 0, 1),
      motion(0.1, 0, 0, 0),
      motion(0, 0.1, 0, 0),
      motion(0.1, 0.1, 0, 1),
      motion(0.05, 0.05, 0, 0),
    ];
    const grip = (energies: number[]): number =>
      applyRule('energy_mean', samplesFrom(chunks), Float64Array.from(energies)).chunk[3]!;
    assert.equal(grip([0, 1, 1, 0, 1]), 1);
    assert.equal(grip([1, 0, 0, 1, 0]), 0);
    assert.equal(applyRule('consensus_mean', samplesFrom(chunks)).chunk[3], 0);
  });

  test('consensus_of_best hears the lowest quarter alone', () => {
    const good = [0.5, 0.55, 0.6].map((x) => motion(x, 0, 0, 0));
    const rest = Array.from({ length: 9 }, (_, i) => motion(-0.5 + i / 100, 0, 0, 0));
    const energies = Float64Array.from([0.3, 0.2, 0.1, ...rest.map(() => 1)]);
    assert.equal(applyRule('consensus_of_best', samplesFrom([...good, ...rest]), energies).index, 1);
    assert.ok(applyRule('consensus', samplesFrom([...good, ...rest])).index > 2);
  });
});
