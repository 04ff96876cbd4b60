import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openScoreData, type ScoreData } from '../../src/data/score-data.js';
import { inMemory } from '../../src/data/tensor-file.js';
import { Fault } from '../../src/errors.js';
import { cardSchema, type ModelCard } from '../../src/model/card.js';
import { fromFloat32, elementCount, type FloatDType, type Tensor } from '../../src/tensor/tensor.js';

const D = 3;
const common = {
  format: 'action-energy/1',
  name: 'tiny',
  activation: 'relu',
  readout: { kind: 'sigmoid' },
  state_dim: D,
  action_dim: 2,
  hidden: 8,
  tau: 0.5,
  actions: { units: 'normalized_q99' },
  mask_polarity: 'true_is_ignored',
  chunk: 4,
};
const blocks = { state: 1, action: 1, head: 2 };
const cross = cardSchema.parse({ ...common, architecture: 'cross_attention', heads: 2, blocks });
const global = cardSchema.parse({ ...common, architecture: 'global_context', layers: 1 });

/** 0, 1/64, 2/64, ... */
const ramp = (shape: number[], dtype: FloatDType = 'float32'): Tensor =>
  fromFloat32(
    dtype,
    shape,
    Float32Array.from({ length: elementCount(shape) }, (_, i) => (i % 64) / 64),
  );
const bits = (shape: number[], values: number[]): Tensor => ({
  dtype: 'bool',
  shape,
  bytes: Uint8Array.from(values),
});
const int64 = (values: number[]): Tensor => ({
  dtype: 'int64',
  shape: [values.length],
  bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});
const open = (tensors: Record<string, Tensor>, card: ModelCard = cross): Promise<ScoreData> =>
  openScoreData(inMemory('data', new Map(Object.entries(tensors))), card);
const refuses = (run: () => Promise<unknown>, field: RegExp): Promise<void> =>
  assert.rejects(run, (error) => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.kind, 'invalid');
    assert.match(error.field ?? '', field);
    return true;
  });

test('stacked contexts with mask, candidates and actions', async () => {
  const data = await open({
    hidden: ramp([2, 5, D], 'bfloat16'),
    pad_mask: bits([2, 5], [0, 0, 0, 1, 1, 1, 0, 0, 1, 0]),
    candidates: ramp([2, 3, 4, 2]),
    actions: ramp([2, 4, 2]),
    task_id: int64([0, 1]),
  });
  assert.deepEqual([data.contexts, data.candidates, data.hasActions], [2, 3, true]);
  const [second] = await data.readContexts(1, 2);
  assert.deepEqual(second?.visible, [
    [1, 3],
    [4, 5],
  ]);
  assert.deepEqual([second?.tokens, second?.dtype, second?.bytes.byteLength], [5, 'bfloat16', 5 * D * 2]);
  const own = await data.readCandidates(1);
  assert.deepEqual([own.candidates, own.steps, own.values[0]], [3, 4, 24 / 64]);
  assert.equal((await data.readActions(1, 2)).values[0], 8 / 64);
});

test('one context: the first axis may be left out', async () => {
  for (const candidates of [ramp([3, 4, 2]), ramp([1, 3, 4, 2])]) {
    const data = await open({ hidden: ramp([5, D]), pad_mask: bits([5], [0, 0, 1, 1, 1]), candidates });
    assert.deepEqual([data.contexts, data.candidates], [1, 3]);
    assert.deepEqual((await data.readContexts(0, 1))[0]?.visible, [[0, 2]]);
    assert.equal((await data.readCandidates(0)).candidates, 3);
  }
  const data = await open({ hidden: ramp([1, 5, D]), actions: ramp([4, 2]) });
  assert.deepEqual([data.candidates, (await data.readActions(0, 1)).steps], [undefined, 4]);
});

test('ragged contexts hold the rows between their offsets', async () => {
  const data = await open({
    hidden: ramp([9, D]),
    offsets: int64([0, 2, 6, 9]),
    pad_mask: bits([9], [0, 0, 1, 0, 0, 1, 0, 0, 0]),
    actions: ramp([3, 4, 2]),
  });
  const contexts = await data.readContexts(1, 3);
  assert.deepEqual(
    contexts.map(({ tokens, visible }) => [tokens, visible]),
    [
      [4, [[1, 3]]],
      [3, [[0, 3]]],
    ],
  );
  const first = new Float32Array(contexts[0]!.bytes.slice().buffer);
  assert.equal(first[0], (2 * D) / 64);
});

test('one vector a context for global_context', async () => {
  for (const hidden of [ramp([2, D]), ramp([2, 1, D])]) {
    const data = await open({ hidden, actions: ramp([2, 4, 2]) }, global);
    assert.equal(data.contexts, 2);
    assert.equal((await data.readContexts(1, 2))[0]?.tokens, 1);
  }
});

test('batches keep to the budget, but hold a context at least', async () => {
  const ragged = await open({
    hidden: ramp([12, D]),
    offsets: int64([0, 2, 4, 10, 12]),
    actions: ramp([4, 4, 2]),
  });
  const row = D * 4;
  assert.deepEqual(ragged.batches(4 * row), [2, 3, 4]);
  assert.deepEqual(ragged.batches(1), [1, 2, 3, 4]);
  assert.deepEqual(ragged.batches(1e9), [4]);
});

test('every wrong key and shape is named', async () => {
  const hidden = ramp([2, 5, D]);
  const actions = ramp([2, 4, 2]);
  await refuses(() => open({ actions }), /hidden$/);
  await refuses(() => open({ hidden }), /candidates$/);
  await refuses(() => open({ hidden, actions, padmask: bits([2, 5], []) }), /padmask$/);
  await refuses(() => open({ hidden: ramp([2, 5, 4]), actions }), /hidden\.shape$/);
  await refuses(() => open({ hidden: ramp([0, 5, D]), actions }), /hidden\.shape$/);
  await refuses(() => open({ hidden: ramp([2, 5, D]), actions }, global), /hidden\.shape$/);
  await refuses(() => open({ hidden, actions, pad_mask: bits([2, 9], []) }), /pad_mask\.shape$/);
  await refuses(
    () => open({ hidden: ramp([2, D]), actions, pad_mask: bits([2], [0, 0]) }, global),
    /pad_mask$/,
  );
  await refuses(() => open({ hidden, actions: ramp([3, 4, 2]) }), /actions\.shape$/);
  await refuses(() => open({ hidden, actions: ramp([4, 2]) }), /actions\.shape$/);
  await refuses(() => open({ hidden, actions: ramp([2, 5, 2]) }), /actions\.shape$/);
  await refuses(() => open({ hidden, candidates: ramp([3, 4, 2]) }), /candidates\.shape$/);
  await refuses(() => open({ hidden, candidates: ramp([2, 3, 4, 7]) }), /candidates\.shape$/);
  await refuses(() => open({ hidden, candidates: ramp([2, 0, 4, 2]) }), /candidates\.shape$/);
  const packed = { hidden: ramp([9, D]), actions };
  for (const [values, index] of [
    [[1, 2, 9], 0],
    [[0, 2, 8], 2],
    [[0, 0, 9], 1],
    [[0, 12, 9], 1],
    [[0, -1, 9], 1],
  ] as const) {
    await refuses(
      () => open({ ...packed, offsets: int64([...values]) }),
      new RegExp(`offsets\\[${index}\\]$`),
    );
  }
  await refuses(() => open({ ...packed, offsets: ramp([3]) }), /offsets\.dtype$/);
  await refuses(() => open({ ...packed, offsets: int64([0]) }), /offsets\.shape$/);
  await refuses(() => open({ hidden, actions, offsets: int64([0, 2]) }), /hidden\.shape$/);
});

test('wrong values are named with their context', async () => {
  const hidden = ramp([2, 5, D]);
  const data = await open({
    hidden,
    pad_mask: bits([2, 5], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
    actions: fromFloat32('float32', [2, 4, 2], new Float32Array(16).fill(NaN, 11, 12)),
    candidates: fromFloat32('float32', [2, 1, 4, 2], new Float32Array(16).fill(40, 8, 9)),
  });
  await refuses(() => data.readContexts(0, 2), /context 1\.pad_mask/);
  await refuses(() => data.readActions(0, 2), /actions\[1, 1, 1\]/);
  await refuses(() => data.readCandidates(1), /context 1\[0, 0, 0\]/);
  const single = await open({
    hidden,
    pad_mask: bits([2, 5], [0, 1, 1, 1, 1, 0, 0, 1, 1, 1]),
    actions: ramp([2, 4, 2]),
  });
  await refuses(() => single.readContexts(0, 1), /context 0\.pad_mask/);
  const ints = await open({ hidden: ramp([2, 5, D], 'float64'), actions: ramp([2, 4, 2]) });
  await refuses(() => ints.readContexts(0, 1), /context 0\.hidden\.dtype/);
});
