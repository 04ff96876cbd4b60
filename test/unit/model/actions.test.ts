import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../../src/errors.js';
import { checkActions } from '../../../src/model/actions.js';
import { checkContext } from '../../../src/model/context.js';
import { fromFloat32, float32Tensor, makeTensor, type Tensor } from '../../../src/tensor/tensor.js';
import { smallCard } from '../../support/bundles.js';

function chunks(shape: readonly number[], at?: number, value = 0): Tensor {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (at !== undefined) values[at] = value;
  return float32Tensor(shape, values);
}
const faultLike = (field: RegExp, text: RegExp) => (error: unknown) =>
  error instanceof Fault && field.test(error.field ?? '') && text.test(error.message);

test('a fitting batch gives its values and sizes, from every float dtype', () => {
  const values = Float32Array.from({ length: 24 }, (_, i) => i / 32);
  for (const dtype of ['float32', 'float64', 'float16', 'bfloat16'] as const) {
    const batch = checkActions(fromFloat32(dtype, [2, 4, 3], values), smallCard());
    assert.deepEqual(batch, { values, candidates: 2, steps: 4 });
  }
});

test('wrong rank, action dim, chunk, dtype or an empty batch is refused with the shape wanted', () => {
  const card = smallCard({ chunk: 4 });
  for (const shape of [
    [4, 3],
    [2, 4, 7],
    [2, 5, 3],
    [0, 4, 3],
    [1, 2, 4, 3],
  ]) {
    assert.throws(
      () => checkActions(chunks(shape), card),
      faultLike(/candidates\.shape/, /wanted \[N, 4, 3\]/),
    );
  }
  assert.throws(() => checkActions(chunks([2, 0, 3]), smallCard()), /\[N, H, 3\]/);
  const integers = makeTensor('x', 'int32', [1, 4, 3], new Uint8Array(48));
  assert.throws(() => checkActions(integers, card), faultLike(/candidates\.dtype/, /int32/));
});

test('a non-finite action is named by candidate, step and dim', () => {
  const card = smallCard({ actions: { units: 'unspecified', names: ['x', 'y', 'gripper'] } });
  const tensor = chunks([2, 4, 3], 12 + 3 + 2, NaN);
  assert.throws(
    () => checkActions(tensor, card),
    faultLike(/^candidates\[1, 1, 2\]/, /candidate 1, step 1, dim 2 gripper.*NaN/),
  );
});

test('declared bounds hold; without them only far outliers of normalised actions are refused', () => {
  const bounds = { low: [-1, -1, 0], high: [1, 1, 1] };
  const bounded = smallCard({ actions: { units: 'normalized_q99', bounds } });
  const normalised = smallCard({ actions: { units: 'normalized_q99' } });
  const raw = smallCard({ actions: { units: 'raw' } });
  const gripperBelow = chunks([1, 4, 3], 5, -0.5);
  const far = chunks([1, 4, 3], 5, 40);
  assert.throws(() => checkActions(gripperBelow, bounded), faultLike(/\[0, 1, 2\]/, /bounds.*-0\.5.*0 to 1/));
  assert.doesNotThrow(() => checkActions(gripperBelow, normalised));
  assert.throws(() => checkActions(far, normalised), faultLike(/\[0, 1, 2\]/, /normalised/));
  assert.doesNotThrow(() => checkActions(far, raw));
});

test('a context must have the width, rank and dtype of the model', () => {
  const card = smallCard();
  const global = smallCard({ architecture: 'global_context' });
  assert.deepEqual(checkContext(chunks([5, 6]), undefined, card), {
    dtype: 'float32',
    tokens: 5,
    visible: [[0, 5]],
  });
  assert.equal(checkContext(chunks([6]), undefined, global).tokens, 1);
  assert.equal(checkContext(chunks([1, 6]), undefined, global).tokens, 1);
  for (const shape of [[5, 7], [6], [0, 6], [1, 5, 6]]) {
    assert.throws(() => checkContext(chunks(shape), undefined, card, 'contexts[3]'), {
      field: 'contexts[3].hidden.shape',
    });
  }
  assert.throws(() => checkContext(chunks([2, 6]), undefined, global), { field: 'hidden.shape' });
  assert.throws(() => checkContext(chunks([1, 6]), undefined, card), { field: 'hidden' });
  const doubles = fromFloat32('float64', [5, 6], new Float32Array(30));
  assert.throws(() => checkContext(doubles, undefined, card), { field: 'hidden.dtype' });
});

test('the mask of a context is a bool vector of its length', () => {
  const card = smallCard();
  const mask = (...values: number[]): Tensor =>
    makeTensor('m', 'bool', [values.length], Uint8Array.from(values));
  const checked = checkContext(chunks([4, 6]), mask(0, 1, 0, 0), card);
  assert.deepEqual(checked.visible, [
    [0, 1],
    [2, 4],
  ]);
  assert.throws(() => checkContext(chunks([4, 6]), mask(0, 1, 0), card), { field: 'pad_mask' });
  assert.throws(() => checkContext(chunks([4, 6]), mask(1, 1, 0, 1), card), /softmax over one key/);
  assert.throws(() => checkContext(chunks([4, 6]), chunks([4]), card), { field: 'pad_mask.dtype' });
  const matrix = makeTensor('m', 'bool', [1, 4], new Uint8Array(4));
  assert.throws(() => checkContext(chunks([4, 6]), matrix, card), { field: 'pad_mask.shape' });
});
