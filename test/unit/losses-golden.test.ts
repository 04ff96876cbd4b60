/** The losses on the float64 matrices of the golden vectors: no engine in between, so only float64 rounding is allowed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { swapInfoNce } from '../../src/energy/losses.js';
import { marginLoss, meanAbsoluteDifferences } from '../../src/energy/losses-margin.js';
import { toFloat32, type Tensor } from '../../src/tensor/tensor.js';
import { readTensors } from '../../src/weights/checkpoint.js';

const DATA = path.join(import.meta.dirname, '../../../test/golden/data');
const TOLERANCE = 1e-9;

function float64(tensor: Tensor | undefined): Float64Array {
  assert.equal(tensor?.dtype, 'float64');
  return new Float64Array(tensor.bytes.slice().buffer);
}

const cases = readdirSync(DATA)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length));
assert.ok(cases.length >= 4);

for (const name of cases) {
  test(`${name}: swap InfoNCE and margin equal the golden values`, async () => {
    const card = JSON.parse(readFileSync(path.join(DATA, `${name}.json`), 'utf8')) as {
      tau: number;
      shapes: { B: number };
    };
    const size = card.shapes.B;
    const inputs = await readTensors(path.join(DATA, `${name}.inputs.safetensors`));
    const expected = await readTensors(path.join(DATA, `${name}.expected.safetensors`));
    const near = (actual: number, key: string): void => {
      const wanted = float64(expected.get(key))[0]!;
      assert.ok(Math.abs(actual - wanted) < TOLERANCE, `${key}: ${actual} is not ${wanted}`);
    };
    const matrix = float64(expected.get('matrix'));
    const swap = swapInfoNce(matrix, size, card.tau);
    near(swap.loss, 'swap_infonce');
    near(swap.positiveEnergy, 'positive_energy');
    near(swap.negativeEnergy, 'negative_energy');
    const difference = meanAbsoluteDifferences(toFloat32('actions', inputs.get('actions')!), size);
    near(marginLoss(matrix, difference, size), 'margin_swap');
  });
}
