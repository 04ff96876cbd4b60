import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../../src/random.js';
import type { ActionTraits } from '../../../src/selection/candidates.js';
import { applyRule, comparing, samplesOf } from '../../../src/selection/rules.js';

const STEPS = 8;
const DIMS = 7;
const TRAITS: ActionTraits = { dims: DIMS, twoValued: { dim: 6, middle: 0.5 }, oneUnit: true };

/** Chunks around `centres[i % centres.length]` along dim 0, varying along `freedom` random directions. */
function planted(seed: number, count: number, centres: readonly number[], freedom: number, noise = 0.1) {
  const random = seededRandom(seed, 'planted');
  const directions = Array.from({ length: freedom }, () =>
    Float64Array.from({ length: STEPS * DIMS }, () => random.normal()),
  );
  const values = new Float32Array(count * STEPS * DIMS);
  for (let i = 0; i < count; i++) {
    const amounts = directions.map(() => (noise * random.normal()) / Math.sqrt(freedom));
    const flip = Math.floor(random.uniform() * STEPS); // grippers close at any time: no mode of their own
    for (let k = 0; k < STEPS * DIMS; k++) {
      const dim = k % DIMS;
      let value = dim === 0 ? centres[i % centres.length]! : 0;
      for (const [d, direction] of directions.entries()) value += amounts[d]! * direction[k]!;
      values[i * STEPS * DIMS + k] = dim === 6 ? Number(Math.floor(k / DIMS) >= flip) : value;
    }
  }
  return samplesOf({ values, candidates: count, steps: STEPS }, TRAITS, 0);
}

describe('a policy that goes left or right', () => {
  for (const rule of ['consensus_mean', 'energy_mean'] as const) {
    test(`${rule} keeps to one side`, () => {
      for (let seed = 0; seed < 50; seed++) {
        for (const count of [4, 8, 16, 64]) {
          const samples = planted(seed, count, [-0.5, 0.5], 4, 0.04);
          const random = seededRandom(seed, 'energies');
          const energies = Float64Array.from({ length: count }, () => random.uniform());
          const { chunk, weights } = applyRule(rule, samples, energies);
          for (let t = 0; t < STEPS; t++) {
            assert.ok(Math.abs(chunk[t * DIMS]!) > 0.2, `seed ${seed}, ${count}: x = ${chunk[t * DIMS]!}`);
          }
          const sides = new Set([...weights.keys()].filter((i) => weights[i]! > 0).map((i) => i % 2));
          assert.equal(sides.size, 1);
        }
      }
    });
  }

  test('the side is the one with the larger weight', () => {
    const samples = planted(1, 15, [-0.5, 0.5, 0.5], 4);
    assert.ok(applyRule('consensus_mean', samples).chunk[0]! > 0.2);
    const energies = Float64Array.from({ length: 15 }, (_, i) => (i % 3 === 0 ? 0 : 1));
    assert.ok(applyRule('energy_mean', samples, energies).chunk[0]! < -0.2);
  });
});

test('one broad mode stays whole: most samples share in the mean', () => {
  for (const [count, freedom, wanted] of [
    [16, 2, 0.75],
    [16, 4, 0.9],
    [64, 4, 0.9],
    [16, 20, 0.99],
  ] as const) {
    let kept = 0;
    for (let seed = 0; seed < 100; seed++) {
      const { weights } = applyRule('consensus_mean', planted(seed, count, [0], freedom));
      kept += weights.filter((weight) => weight > 0).length / count / 100;
    }
    assert.ok(kept >= wanted, `${count} samples, ${freedom} ways to vary: ${kept}`);
  }
});

test('a mode bent around something: no mean in its hollow', () => {
  const count = 24;
  const values = new Float32Array(count * DIMS);
  for (let i = 0; i < count; i++) {
    values[i * DIMS] = Math.cos((2 * Math.PI * i) / count);
    values[i * DIMS + 1] = Math.sin((2 * Math.PI * i) / count);
  }
  const samples = samplesOf({ values, candidates: count, steps: 1 }, TRAITS, 5);
  const { origin, chunk } = applyRule('consensus_mean', samples);
  assert.equal(origin, 'candidate');
  assert.ok(Math.abs(Math.hypot(chunk[0]!, chunk[1]!) - 1) < 1e-6);
});

test('two samples show no mode: none is averaged with the other', () => {
  const { origin, index } = applyRule('consensus_mean', planted(3, 2, [-0.5, 0.5], 4));
  assert.equal(origin, 'candidate');
  assert.equal(index, 0);
});

test('more candidates than all distances are affordable for', () => {
  const count = 3000;
  const samples = planted(4, count, [-0.5, 0.5, 0.5], 4);
  assert.ok(samples.distances.references.length < count);
  assert.equal(samples.modes.count, 2);
  assert.equal(samples.modes.of.filter((mode) => mode === samples.modes.of[1]).length, 2000);
  assert.ok(applyRule('consensus_mean', samples).chunk[0]! > 0.2);
  assert.ok(applyRule('consensus', samples).chunk[0]! > 0.2);
});

test('many candidates are compared in parts, a handful in one', () => {
  const parts = (count: number): number => {
    const batch = { values: new Float32Array(count * STEPS * DIMS), candidates: count, steps: STEPS };
    const work = comparing(batch, TRAITS, 0);
    let done = 0;
    while (work.next().done !== true) done++;
    return done;
  };
  assert.equal(parts(64), 0);
  assert.ok(parts(4096) >= 3);
});
