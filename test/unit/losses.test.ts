import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { infonceRow } from '../../src/energy/infonce-row.js';
import { explicitInfoNce, swapInfoNce } from '../../src/energy/losses.js';
import {
  chunkDistance,
  hingeLoss,
  marginLoss,
  meanAbsoluteDifferences,
} from '../../src/energy/losses-margin.js';
import { Fault } from '../../src/errors.js';

const near = (actual: number, wanted: number, tolerance = 1e-12): void =>
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${actual} is not ${wanted}`);
const refuses = (field: string, run: () => unknown): void =>
  assert.throws(
    run,
    (error) => error instanceof Fault && error.kind === 'invalid' && error.field === field,
    `no fault at ${field}`,
  );

test('swap InfoNCE of a hand-computed 2 x 2 matrix', () => {
  const result = swapInfoNce([0, 1, 3, 2], 2, 0.5);
  // row 0: gap 1, log(1 + e^-2); row 1: gap 1, the same
  near(result.loss, Math.log1p(Math.exp(-2)));
  assert.equal(result.accuracy, 1);
  assert.equal(result.positiveEnergy, 1);
  assert.equal(result.negativeEnergy, 2);
});

test('equal energies are blind guessing: loss log B, and a tie is a miss', () => {
  const result = swapInfoNce(new Float64Array(25).fill(0.7), 5, 0.5);
  near(result.loss, Math.log(5));
  assert.equal(result.accuracy, 0);
});

test('a huge energy neither overflows nor drowns the loss', () => {
  near(swapInfoNce([1e6, 1e6 + 1, 1e6 + 1, 1e6], 2, 1).loss, Math.log1p(Math.exp(-1)), 1e-9);
  near(swapInfoNce([1000, 0, 0, 1000], 2, 0.5).loss, 2000);
  near(explicitInfoNce([-1000], [1000], 0.1).loss, 0);
});

test('one rule for ties: won only when strictly lowest, by lot among equals; unusable chunks do not count', () => {
  const row = (energies: number[], own: number, usable?: number[]) =>
    infonceRow(energies, 0, energies.length, own, 0.5, usable);
  assert.deepEqual([row([1, 2, 3], 0).won, row([1, 2, 3], 0).wonByLot], [1, 1]);
  assert.deepEqual([row([2, 1, 1], 1).won, row([2, 1, 1], 1).wonByLot], [0, 0.5]);
  assert.deepEqual([row([2, 1, 1], 0).won, row([2, 1, 1], 0).wonByLot], [0, 0]);
  const alone = row([2, 1, 1], 1, [1, 1, 0]);
  assert.deepEqual([alone.won, alone.wonByLot, alone.count], [1, 1, 2]);
  near(alone.loss, Math.log1p(Math.exp(-2)));
  near(alone.confidence, 1 / (1 + Math.exp(-2)));
});

test('explicit InfoNCE on the off-diagonal equals swap InfoNCE', () => {
  const matrix = fc.integer({ min: 2, max: 7 }).chain((size) =>
    fc.record({
      size: fc.constant(size),
      energies: fc.array(fc.double({ min: -5, max: 5, noNaN: true }), {
        minLength: size * size,
        maxLength: size * size,
      }),
      tau: fc.double({ min: 0.05, max: 3, noNaN: true }),
      shift: fc.double({ min: -10, max: 10, noNaN: true }),
    }),
  );
  fc.assert(
    fc.property(matrix, ({ size, energies, tau, shift }) => {
      const swap = swapInfoNce(energies, size, tau);
      const positive = energies.filter((_, k) => k % (size + 1) === 0);
      const negatives = energies.filter((_, k) => k % (size + 1) !== 0);
      const explicit = explicitInfoNce(positive, negatives, tau);
      near(explicit.loss, swap.loss, 1e-9);
      assert.equal(explicit.accuracy, swap.accuracy);
      near(explicit.negativeEnergy, swap.negativeEnergy, 1e-9);
      // adding a constant to every energy changes no preference
      const shifted = swapInfoNce(
        energies.map((energy) => energy + shift),
        size,
        tau,
      );
      near(shifted.loss, swap.loss, 1e-8);
      // the definition, unstabilised
      let naive = 0;
      for (let i = 0; i < size; i++) {
        let sum = 0;
        for (let j = 0; j < size; j++)
          sum += Math.exp((energies[i * size + i]! - energies[i * size + j]!) / tau);
        naive += Math.log(sum) / size;
      }
      near(swap.loss, naive, 1e-9);
    }),
  );
});

test('hinge and margin of hand-computed values', () => {
  const distance = chunkDistance([0, 0, 1, 1], [3, 4, 1, 1], 2);
  assert.deepEqual([...distance], [5, 0]);
  // 1 + 0.6*5 + 0.5 - 1 = 3.5; relu(1 + 0 + 0.5 - 2) = 0
  near(hingeLoss([0.5, 0.5], [1, 2], distance), 1.75);
  near(hingeLoss([0.5, 0.5], [1, 2], distance, { margin: 2, kappa: 0 }), (1.5 + 0.5) / 2);
  const difference = meanAbsoluteDifferences([0, 0, 1, 2], 2);
  assert.deepEqual([...difference], [0, 1.5, 1.5, 0]);
  // relu(0 - 1 + 3) = 2; relu(2 - 7 + 3) = 0
  near(marginLoss([0, 1, 7, 2], difference, 2), 1);
});

test('bad input is refused by name', () => {
  refuses('size', () => swapInfoNce([1], 1, 0.5));
  refuses('size', () => swapInfoNce([1, 2, 3, 4], 1.5, 0.5));
  refuses('size', () => marginLoss([1], [0], 1));
  refuses('matrix', () => swapInfoNce([1, 2, 3], 2, 0.5));
  refuses('matrix[2]', () => swapInfoNce([1, 2, NaN, 4], 2, 0.5));
  refuses('matrix[1]', () => marginLoss([1, Infinity, 3, 4], [0, 1, 1, 0], 2));
  for (const tau of [0, -1, NaN, Infinity]) {
    refuses('tau', () => swapInfoNce([1, 2, 3, 4], 2, tau));
    refuses('tau', () => explicitInfoNce([1], [2], tau));
  }
  refuses('positive', () => explicitInfoNce([], [], 0.5));
  refuses('positive', () => hingeLoss([], [], []));
  refuses('negatives', () => explicitInfoNce([1, 2], [1, 2, 3], 0.5));
  refuses('negatives', () => explicitInfoNce([1, 2], [], 0.5));
  refuses('negatives[1]', () => explicitInfoNce([1], [1, -Infinity], 0.5));
  refuses('negative', () => hingeLoss([1, 2], [1], [0, 0]));
  refuses('distance[1]', () => hingeLoss([1, 2], [1, 2], [0, -1]));
  refuses('kappa[0]', () => hingeLoss([1], [1], [0], { kappa: NaN }));
  refuses('beta[0]', () => marginLoss([1, 2, 3, 4], [0, 1, 1, 0], 2, Infinity));
  refuses('actions', () => meanAbsoluteDifferences([1, 2, 3], 2));
  refuses('b', () => chunkDistance([1, 2], [1], 2));
});
