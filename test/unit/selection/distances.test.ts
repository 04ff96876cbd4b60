import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Metric } from '../../../src/selection/candidates.js';
import { distancesBetween, inOneGo } from '../../../src/selection/distances.js';

/** sqrt of the mean over steps and dims, in double precision; sums of at most some hundred terms. */
const TOLERANCE = 1e-12;

test('distances are the root mean squares of differences, with and without the two-valued dim', () => {
  const cases = fc.record({
    candidates: fc.integer({ min: 1, max: 11 }),
    steps: fc.integer({ min: 1, max: 4 }),
    dims: fc.integer({ min: 1, max: 4 }),
    twoValued: fc.option(fc.integer({ min: 0, max: 3 })),
    seed: fc.array(fc.float({ min: -3, max: 3, noNaN: true }), { minLength: 176, maxLength: 176 }),
  });
  fc.assert(
    fc.property(cases, ({ candidates, steps, dims, twoValued, seed }) => {
      const values = Float32Array.from(seed.slice(0, candidates * steps * dims));
      const dim = twoValued === null ? undefined : twoValued % dims;
      const traits = { dims, twoValued: dim === undefined ? undefined : { dim, middle: 0 }, oneUnit: true };
      const { all, continuous } = inOneGo(
        distancesBetween({ values, candidates, steps }, new Metric({ values }, traits)),
      );
      const length = steps * dims;
      for (let i = 0; i < candidates; i++) {
        for (let r = 0; r < candidates; r++) {
          let [whole, part] = [0, 0];
          for (let k = 0; k < length; k++) {
            const square = (values[i * length + k]! - values[r * length + k]!) ** 2;
            whole += square / length;
            if (k % dims !== dim) part += square / length;
          }
          assert.ok(Math.abs(all[i * candidates + r]! - Math.sqrt(whole)) < TOLERANCE);
          assert.ok(Math.abs(continuous[i * candidates + r]! - Math.sqrt(part)) < TOLERANCE);
        }
      }
    }),
  );
});

test('equal candidates lie at 0, however large their values', () => {
  const values = new Float32Array(6 * 8).fill(1e6);
  const metric = new Metric({ values }, { dims: 4, twoValued: undefined, oneUnit: true });
  assert.deepEqual(
    inOneGo(distancesBetween({ values, candidates: 6, steps: 2 }, metric)).all,
    new Float64Array(36),
  );
});
