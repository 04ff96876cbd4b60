import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../src/errors.js';
import type { Pool } from '../../../src/model/card.js';
import { energiesFromRaw, probabilities, rank, poolSteps, poolWeights } from '../../../src/model/energy.js';
import { applyReadout, readoutSchema, readoutValue, sigmoid, softplus } from '../../../src/model/readout.js';
import { float64Values, goldenDescription, goldenModel, goldenTensors } from '../../support/bundles.js';

const MEAN: Pool = { kind: 'mean' };
const LINEAR = { kind: 'linear' } as const;

function close(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    assert.ok(Math.abs(actual[i]! - wanted[i]!) <= tolerance, `[${i}] ${actual[i]!}, wanted ${wanted[i]!}`);
  }
}

for (const name of ['cross_relu_sigmoid', 'cross_silu_linear', 'cross_silu_softplus_nomask'] as const) {
  test(`readout and pool of the golden raw steps: ${name}`, () => {
    const expected = goldenTensors(name, 'expected');
    const golden = (key: string): Float64Array => float64Values(expected.get(key)!);
    const { readout, pool } = goldenModel(name).card;
    const { H } = goldenDescription(name).shapes;
    const { energies, steps } = energiesFromRaw(golden('raw_steps'), H, { readout, pool, score: 'readout' });
    close(steps, golden('steps'), 1e-12);
    close(energies, golden('energy'), 1e-12);
    close(applyReadout(readout, golden('raw_steps')), golden('steps'), 1e-12);
  });
}

test('the golden half_square steps pool to the golden energies', () => {
  const expected = goldenTensors('global_silu_half_square', 'expected');
  const steps = float64Values(expected.get('steps')!);
  const { energies } = energiesFromRaw(steps, 8, { readout: LINEAR, pool: MEAN, score: 'readout' });
  close(energies, float64Values(expected.get('energy')!), 1e-12);
  // every step is r^2/2 + 1e-6 for some r
  const readout = readoutSchema.parse({ kind: 'half_square' });
  const raw = steps.map((step) => Math.sqrt(2 * (step - 1e-6)));
  close(applyReadout(readout, raw), steps, 1e-12);
});

test('readouts neither overflow nor lose the tail', () => {
  assert.equal(sigmoid(-1000), 0);
  assert.equal(sigmoid(1000), 1);
  assert.ok(Math.abs(sigmoid(-40) / Math.exp(-40) - 1) < 1e-12);
  assert.equal(softplus(1000), 1000);
  assert.ok(Math.abs(softplus(-40) / Math.exp(-40) - 1) < 1e-12);
  const readout = readoutSchema.parse({ kind: 'sigmoid' });
  assert.equal(readoutValue(readout, 0), 1.1);
});

test('readouts keep the order of raw values', () => {
  const pair = fc.tuple(
    fc.double({ min: -30, max: 30, noNaN: true }),
    fc.double({ min: -30, max: 30, noNaN: true }),
  );
  for (const kind of ['sigmoid', 'softplus', 'linear'] as const) {
    const readout = readoutSchema.parse({ kind });
    fc.assert(
      fc.property(pair, ([a, b]) => {
        assert.ok((a - b) * (readoutValue(readout, a) - readoutValue(readout, b)) >= 0);
      }),
    );
  }
});

test('pool weights: the formulas by hand, and sum 1 where they are an average', () => {
  assert.deepEqual([...poolWeights(MEAN, 4)], [0.25, 0.25, 0.25, 0.25]);
  assert.deepEqual([...poolWeights({ kind: 'sum' }, 3)], [1, 1, 1]);
  assert.deepEqual([...poolWeights({ kind: 'first' }, 3)], [1, 0, 0]);
  assert.deepEqual([...poolWeights({ kind: 'weighted', weights: [2, -1] }, 2)], [2, -1]);
  close(poolWeights({ kind: 'discount', gamma: 0.5 }, 3), [4 / 7, 2 / 7, 1 / 7], 1e-15);
  // softmax([1.0, 0.65, 0.3])
  close(poolWeights({ kind: 'weighted' }, 3), [0.45549, 0.320978, 0.226189].map(normalise3), 1e-5);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (steps, gamma) => {
        for (const pool of [MEAN, { kind: 'weighted' }, { kind: 'discount', gamma }] as const) {
          const weights = poolWeights(pool, steps);
          assert.ok(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-12);
          assert.ok(weights.every((weight, t) => t === 0 || weight <= weights[t - 1]!));
        }
      },
    ),
  );
});

function normalise3(value: number, _index: number, all: readonly number[]): number {
  return value / all.reduce((a, b) => a + b, 0);
}

test('given pool weights of another length than the chunk are refused', () => {
  assert.throws(() => poolWeights({ kind: 'weighted', weights: [1, 1] }, 3), /2 weights, 3 steps/);
});

test('a windowed maximum is the highest mean of its steps in a row, by hand and by enumeration', () => {
  const pool = { kind: 'windowed_max', window: 2 } as const;
  // means [1, 4, 3.5] and [-1, -2, -0.5]
  assert.deepEqual([...poolSteps(pool, Float64Array.of(0, 2, 6, 1, -1, -1, -3, 2), 2, 4)], [4, -0.5]);
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 12 }),
      fc.nat(),
      (steps, pick) => {
        const window = 1 + (pick % steps.length);
        const means = steps
          .slice(0, steps.length - window + 1)
          .map((_, t) => steps.slice(t, t + window).reduce((sum, value) => sum + value, 0) / window);
        const [pooled] = poolSteps(
          { kind: 'windowed_max', window },
          Float64Array.from(steps),
          1,
          steps.length,
        );
        assert.ok(Math.abs(pooled! - Math.max(...means)) < 1e-12);
      },
    ),
  );
  assert.throws(
    () => poolSteps({ kind: 'windowed_max', window: 5 }, new Float64Array(4), 1, 4),
    /5, 4 steps.*1 to 4/s,
  );
  assert.ok(Number.isNaN(poolSteps(pool, Float64Array.of(NaN, 1, 1), 1, 3)[0]));
});

test('pooling is linear, and each item its own', () => {
  const shapes = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 8 }));
  fc.assert(
    fc.property(shapes, fc.infiniteStream(fc.double({ min: -5, max: 5, noNaN: true })), ([n, h], stream) => {
      const values = Float64Array.from([...stream.take(n * h)]);
      const pool = { kind: 'weighted' as const, weights: [...stream.take(h)] };
      const all = poolSteps(pool, values, n, h);
      for (let i = 0; i < n; i++) {
        const alone = poolSteps(pool, values.slice(i * h, (i + 1) * h), 1, h);
        assert.equal(all[i], alone[0]);
      }
      const doubled = poolSteps(
        pool,
        values.map((value) => 2 * value),
        n,
        h,
      );
      close(
        doubled,
        all.map((value) => 2 * value),
        1e-12,
      );
    }),
  );
});

test('the logit score pools r itself', () => {
  const readout = readoutSchema.parse({ kind: 'sigmoid' });
  const raw = Float32Array.of(50, 60, 70, 80);
  const { energies, steps } = energiesFromRaw(raw, 2, { readout, pool: MEAN, score: 'logit' });
  assert.deepEqual([...energies], [55, 75]);
  assert.deepEqual([...steps], [...raw]);
});

test('a non-finite energy names the stage and the item', () => {
  const raw = Float32Array.of(0, 0, 1, NaN, 2, 2);
  assert.throws(
    () => energiesFromRaw(raw, 2, { readout: LINEAR, pool: MEAN, score: 'readout' }),
    (error: unknown) => error instanceof Fault && error.kind === 'invalid' && error.field === 'energy[1]',
  );
});

test('ranking is ascending and stable', () => {
  assert.deepEqual([...rank(Float64Array.of(3, 1, 2, 1))], [1, 3, 2, 0]);
  assert.deepEqual([...rank(new Float64Array(0))], []);
  assert.throws(() => rank(Float64Array.of(1, NaN)), /energy\[1\]/);
});

test('probabilities sum to 1, follow the energies, and survive extremes', () => {
  close(probabilities(Float64Array.of(0, Math.log(3)), 1), [0.75, 0.25], 1e-15);
  close(probabilities(Float64Array.of(-1e6, 0, 1e6), 0.01), [1, 0, 0], 0);
  const lists = fc.float64Array({ min: -50, max: 50, noNaN: true, minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(lists, fc.double({ min: 0.01, max: 10, noNaN: true }), (list, tau) => {
      const shares = probabilities(Float64Array.from(list), tau);
      assert.ok(Math.abs(shares.reduce((a, b) => a + b, 0) - 1) < 1e-12);
      const order = rank(Float64Array.from(list));
      for (let i = 1; i < order.length; i++) assert.ok(shares[order[i - 1]!]! >= shares[order[i]!]!);
    }),
  );
  assert.throws(() => probabilities(Float64Array.of(1), 0), /tau/);
});
