/** The rule `refine` without an engine: on energies whose minimum is known, and what bounds it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../src/errors.js';
import {
  Descent,
  refineSettings,
  type DescentStart,
  type RefineRequest,
  type Refinement,
} from '../../../src/selection/descent.js';
import { smallCard } from '../../support/bundles.js';

const A = 3;
const card = smallCard({ action_dim: A });
const UNITS = Float64Array.of(1, 1, 1);

/** E of one chunk and its gradient. */
interface Landscape {
  readonly energy: (chunk: Float32Array) => number;
  readonly gradient: (chunk: Float32Array) => Float32Array;
}

const bowl = (target: readonly number[]): Landscape => ({
  energy: (chunk) => chunk.reduce((sum, value, k) => sum + (value - target[k % A]!) ** 2, 0),
  gradient: (chunk) => chunk.map((value, k) => 2 * (value - target[k % A]!)),
});

function descend(
  { energy, gradient }: Landscape,
  start: Omit<DescentStart, 'energy'>,
  request: RefineRequest = {},
): Refinement & { readonly calls: number } {
  const descent = new Descent({ ...start, energy: energy(start.chunk) }, refineSettings(request, card));
  let calls = 0;
  for (let asked = descent.next(); asked !== undefined; asked = descent.next(), calls++) {
    const { values, candidates } = asked;
    const size = values.length / candidates;
    const chunks = Array.from({ length: candidates }, (_, i) => values.slice(i * size, (i + 1) * size));
    const slopes = chunks.flatMap((chunk) => [...gradient(chunk)]);
    descent.learn(Float64Array.from(chunks, energy), asked.gradient ? Float32Array.from(slopes) : undefined);
  }
  return { ...descent.result(), calls };
}

const chunk = Float32Array.of(0, 0, 0, 0, 0, 0); // [2, A]
const start = { chunk, units: UNITS, bounds: undefined };

describe('a descent', () => {
  test('goes downhill by the step that was asked for, one call a step and one for the first gradient', () => {
    const {
      energy,
      startEnergy,
      stepsTaken,
      end,
      calls,
      chunk: found,
    } = descend(bowl([1, 1, 1]), start, {
      steps: 4,
      stepLength: 0.05,
      trustRadius: 1,
    });
    assert.deepEqual([stepsTaken, end, calls], [4, 'steps', 5]);
    for (const value of found) assert.ok(Math.abs(value - 4 * 0.05) < 1e-6);
    assert.ok(Math.abs(energy - 6 * 0.8 ** 2) < 1e-5 && startEnergy === 6);
  });

  test('tries shorter steps where the longest goes too far, and ends where none is lower', () => {
    const near = descend(bowl([0.02, 0.02, 0.02]), start, { steps: 16, stepLength: 0.1, trustRadius: 1 });
    assert.ok(near.stepsTaken >= 1 && near.end === 'lowest');
    for (const value of near.chunk) assert.ok(Math.abs(value - 0.02) <= 0.1 / 8);
    const there = descend(bowl([0, 0, 0]), start);
    assert.deepEqual([there.stepsTaken, there.end, there.displacement], [0, 'lowest', 0]);
  });

  test('the trust radius holds in units of each dim, and the walk goes on along its wall', () => {
    const units = Float64Array.of(1, 0.1, 2);
    const { chunk: found, displacement } = descend(
      bowl([9, 0.9, 18]),
      { ...start, units },
      { steps: 16, stepLength: 0.1, trustRadius: 0.3 },
    );
    assert.ok(Math.abs(displacement - 0.3) < 1e-6, String(displacement));
    for (const [k, value] of found.entries()) assert.ok(value <= 0.3 * units[k % A]! * (1 + 1e-7));
  });

  test('bounds of the card hold exactly, in float32 too', () => {
    const bounds = { low: [-0.1, -0.1, -0.1], high: [0.1, 0.1, 0.1] };
    for (const target of [9, -9]) {
      const { chunk: found } = descend(
        bowl([target, target, target]),
        { ...start, bounds },
        { steps: 16, stepLength: 1, trustRadius: 5 },
      );
      for (const value of found) assert.ok(Math.abs(value) <= 0.1 && Math.abs(value) > 0.0999, String(value));
    }
  });

  test('a value at its wall does not push against it: the others get the whole step', () => {
    const bounds = { low: [-1, -1, -1], high: [0, 0, 1] };
    const { chunk: found } = descend(
      bowl([1, 1, 1]),
      { ...start, bounds },
      { steps: 1, stepLength: 0.1, trustRadius: 1 },
    );
    for (const [k, value] of found.entries()) {
      assert.ok(Math.abs(value - (k % A === 2 ? 0.1 * Math.sqrt(3) : 0)) < 1e-6);
    }
  });

  test('only dims that may move do; a dim without a unit stays', () => {
    const { chunk: found } = descend(bowl([1, 1, 1]), start, { dims: [1] });
    assert.deepEqual(
      found.map((value) => Number(value !== 0)),
      Float32Array.of(0, 1, 0, 0, 1, 0),
    );
    const flat = descend(bowl([1, 1, 1]), { ...start, units: Float64Array.of(0, 0, 0) });
    assert.deepEqual([flat.calls, flat.stepsTaken, flat.end], [0, 0, 'lowest']);
  });

  test('trials that are not finite are no better ones', () => {
    const cliff: Landscape = {
      energy: (values) => (values[0]! > 0.03 ? NaN : -values[0]!),
      gradient: (values) => values.map((_, k) => (k === 0 ? -1 : 0)),
    };
    const { chunk: found, energy } = descend(cliff, start, { stepLength: 0.04 });
    assert.ok(found[0]! > 0 && found[0]! <= 0.03);
    assert.ok(Number.isFinite(energy));
  });

  test('whatever the landscape: lower or the start, inside the box, what is fixed to the bit', () => {
    const real = fc.float({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(real, { minLength: A, maxLength: 4 * A }).filter(({ length }) => length % A === 0),
        fc.array(real, { minLength: A, maxLength: A }),
        fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: A, maxLength: A }),
        fc.record({
          steps: fc.integer({ min: 1, max: 16 }),
          stepLength: fc.double({ min: 1e-3, max: 10, noNaN: true }),
          trustRadius: fc.double({ min: 1e-3, max: 10, noNaN: true }),
          dims: fc.uniqueArray(fc.integer({ min: 0, max: A - 1 })),
        }),
        (values, target, units, request) => {
          const wavy: Landscape = {
            energy: (at) => at.reduce((sum, x, k) => sum + Math.sin(5 * x) + (x - target[k % A]!) ** 2, 0),
            gradient: (at) => at.map((x, k) => 5 * Math.cos(5 * x) + 2 * (x - target[k % A]!)),
          };
          const bounds = { low: [-1, -1, -1], high: [1, 1, 1] };
          const begin = { chunk: Float32Array.from(values), units: Float64Array.from(units), bounds };
          const {
            chunk: found,
            energy,
            startEnergy,
            stepsTaken,
            displacement,
          } = descend(wavy, begin, request);
          assert.equal(energy, wavy.energy(found));
          assert.ok(stepsTaken === 0 ? energy === startEnergy : energy < startEnergy);
          assert.ok(displacement <= request.trustRadius * (1 + 1e-5) + 1e-5);
          for (const [k, value] of found.entries()) {
            assert.ok(Math.abs(value) <= 1);
            const fixed = request.dims.length > 0 && !request.dims.includes(k % A);
            if (fixed || units[k % A] === 0) assert.equal(value, begin.chunk[k]);
          }
        },
      ),
    );
  });
});

describe('what a refinement may ask for', () => {
  const WRONG: [RefineRequest, string][] = [
    [{ steps: 17 }, 'refinement.steps'],
    [{ steps: 2 ** 32 - 1 }, 'refinement.steps'],
    [{ stepLength: NaN }, 'refinement.step_length'],
    [{ stepLength: -0.1 }, 'refinement.step_length'],
    [{ stepLength: Infinity }, 'refinement.step_length'],
    [{ trustRadius: 10.5 }, 'refinement.trust_radius'],
    [{ trustRadius: NaN }, 'refinement.trust_radius'],
    [{ dims: [0, A] }, 'refinement.dims[1]'],
    [{ dims: [1, 1] }, 'refinement.dims[1]'],
  ];
  for (const [request, field] of WRONG) {
    test(JSON.stringify(request), () => {
      assert.throws(
        () => refineSettings(request, card),
        (error) => error instanceof Fault && error.kind === 'invalid' && error.field === field,
      );
    });
  }

  test('gripper and derived dims never move, and are refused by name', () => {
    const arm = smallCard({
      action_dim: 4,
      actions: { units: 'unspecified', gripper: { index: 3, coding: 'continuous' }, derived: [0] },
    });
    assert.deepEqual(refineSettings({}, arm).movable, [false, true, true, false]);
    for (const dim of [0, 3]) {
      assert.throws(() => refineSettings({ dims: [1, dim] }, arm), /never moves/);
    }
  });
});
