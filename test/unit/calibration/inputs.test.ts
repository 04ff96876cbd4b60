/** What a calibration keeps of its hidden states: that of visible tokens, whatever their dtype. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calibrationData, type CalibrationData } from '../../../src/calibration/data/calibration-data.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { inputStatistics, inputsSchema } from '../../../src/calibration/fit/input-statistics.js';
import { fromFloat32, makeTensor, type FloatDType } from '../../../src/tensor/tensor.js';
import { STATE_DIM, syntheticCard, syntheticTensors, TOKENS } from './synthetic.js';

const ROWS = 40;
const all = Int32Array.from({ length: ROWS }, (_, row) => row);

/** Magnitudes 2^-5 to 2^4, each as often; the last token is masked and holds 2^12. */
function dataOf(dtype: FloatDType): Promise<CalibrationData> {
  const tensors = syntheticTensors(ROWS, 1);
  const perRow = TOKENS * STATE_DIM;
  const hidden = Float32Array.from({ length: ROWS * perRow }, (_, i) => {
    const sign = i % 2 === 0 ? 1 : -1;
    return i % perRow >= perRow - STATE_DIM ? sign * 2 ** 12 : sign * 2 ** ((i % 10) - 5);
  });
  const mask = Uint8Array.from({ length: ROWS * TOKENS }, (_, i) => (i % TOKENS === TOKENS - 1 ? 1 : 0));
  tensors.set('hidden', fromFloat32(dtype, [ROWS, TOKENS, STATE_DIM], hidden));
  tensors.set('pad_mask', makeTensor('pad_mask', 'bool', [ROWS, TOKENS], mask));
  return calibrationData([memoryColumns('planted', tensors)], syntheticCard());
}

for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
  test(`octaves of planted magnitudes, ${dtype}`, async () => {
    const inputs = inputsSchema.parse(await inputStatistics(await dataOf(dtype), all, syntheticCard()));
    const [low, middle, high] = inputs.hidden_octaves;
    assert.deepEqual([low, high], [-5, 4]);
    assert.ok(Math.abs(middle + 0.5) <= 0.5, `middle ${middle}`);
  });
}

test('of too few numbers nothing is said', async () => {
  const one = all.subarray(0, 1);
  assert.equal(await inputStatistics(await dataOf('float32'), one, syntheticCard()), undefined);
});

test('percentiles ascend', () => {
  assert.ok(!inputsSchema.safeParse({ hidden_octaves: [1, 0, 2] }).success);
});
