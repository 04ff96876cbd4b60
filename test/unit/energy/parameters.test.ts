import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  multiply,
  transposed,
  StoredLinear,
  StoredParameters,
} from '../../../src/energy/stored-parameters.js';
import { randomValues } from '../../support/engine.js';
import { assertClose } from '../../support/numbers.js';

function linear(inputs: number, outputs: number, seed: number): StoredLinear {
  const weight = randomValues(inputs * outputs, seed);
  return new StoredLinear(inputs, outputs, weight, randomValues(outputs, seed + 1));
}

/** x W + b by definition, one row. */
function apply(x: ArrayLike<number>, { inputs, outputs, weight, bias }: StoredLinear): number[] {
  return Array.from({ length: outputs }, (_, column) => {
    let sum = bias[column]!;
    for (let k = 0; k < inputs; k++) sum += x[k]! * weight[k * outputs + column]!;
    return sum;
  });
}

const algebra = new StoredParameters(new Map());
const width = fc.integer({ min: 1, max: 11 });

test('products agree with their definition at every width', () => {
  fc.assert(
    fc.property(width, width, width, (rows, inputs, outputs) => {
      const map = new StoredLinear(
        inputs,
        outputs,
        linear(inputs, outputs, 3).weight,
        new Float32Array(outputs),
      );
      const x = randomValues(rows * inputs, 5);
      const wanted = Array.from({ length: rows }, (_, row) => apply(x.subarray(row * inputs), map)).flat();
      assertClose(multiply(x, rows, map), wanted, 1e-12, 'product');
    }),
  );
});

test('a merged map does what the two did in a row, scaled too', () => {
  fc.assert(
    fc.property(width, width, width, (inputs, inner, outputs) => {
      const [first, second] = [linear(inputs, inner, 7), linear(inner, outputs, 9)];
      const x = randomValues(inputs, 11);
      const wanted = apply(apply(x, first), second);
      // one rounding of each merged weight
      const tolerance = 1e-6 * inputs * inner;
      assertClose(apply(x, algebra.compose(first, second)), wanted, tolerance, 'merged');
      const halved = apply(x, algebra.scaled(algebra.compose(first, second), 0.5));
      const half = wanted.map((value) => value / 2);
      assertClose(halved, half, tolerance, 'scaled');
    }),
  );
});

test('transposed twice is the same matrix', () => {
  const matrix = randomValues(12, 1);
  assert.deepEqual(transposed(transposed(matrix, 3, 4), 4, 3), matrix);
  assert.equal(transposed(matrix, 3, 4)[1], matrix[4]);
});
