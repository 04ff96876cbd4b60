import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { floats32, elementCount, type Tensor } from '../../../src/tensor/tensor.js';
import { decodeTensors } from '../../../src/weights/checkpoint.js';
import * as pkl from '../../support/checkpoints-pickle.js';
import {
  float32Bytes,
  smallCheckpoint,
  storageOp,
  tensorOp,
  torchArchive,
} from '../../support/checkpoints.js';

const spec = { key: '0', elements: 2, shape: [2], strides: [1] };
const data = { '0': float32Bytes(5, 6) };
const tensor = tensorOp(spec);

function read(...ops: pkl.Op[]): Promise<Map<string, Tensor>> {
  return decodeTensors('model.pt', torchArchive(pkl.pickle(...ops), data));
}

describe('torch.save checkpoints', () => {
  for (const deflated of [false, true]) {
    it(`reads a matrix and its transpose of one storage, ${deflated ? 'deflated' : 'stored'}`, async () => {
      const bytes = smallCheckpoint(deflated);
      const tensors = await decodeTensors('model.pt', bytes);
      const weight = tensors.get('weight')!;
      assert.deepEqual(weight.shape, [2, 3]);
      assert.deepEqual([...floats32(weight.bytes)], [0, 1, 2, 3, 4, 5]);
      assert.equal(weight.bytes.buffer === bytes.buffer, !deflated, 'a view of the file when stored');
      const transposed = tensors.get('transposed')!;
      assert.deepEqual(transposed.shape, [3, 2]);
      assert.deepEqual([...floats32(transposed.bytes)], [0, 3, 1, 4, 2, 5]);
    });
  }

  it('gathers any strided view as indexing does', async () => {
    const axes = fc.array(fc.tuple(fc.nat(3), fc.nat(5)), { maxLength: 4 });
    const values = Float32Array.from({ length: 64 }, (_, i) => i);
    await fc.assert(
      fc.asyncProperty(axes, fc.nat(3), async (list, offset) => {
        const [shape, strides] = [list.map(([size]) => size), list.map(([, stride]) => stride)];
        fc.pre(elementCount(shape) <= values.length);
        let wanted = [offset];
        for (const [size, stride] of list) {
          wanted = wanted.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * stride));
        }
        const op = tensorOp({ key: '0', elements: values.length, offset, shape, strides });
        const file = torchArchive(pkl.pickle(pkl.dict({ view: op })), { '0': new Uint8Array(values.buffer) });
        // views beyond the storage are in the hostile corpus
        fc.pre(wanted.every((at) => at < values.length));
        const view = (await decodeTensors('model.pt', file)).get('view')!;
        assert.deepEqual(view.shape, shape);
        assert.deepEqual([...floats32(view.bytes)], wanted);
      }),
      { numRuns: 300 },
    );
  });

  it('recalls what MEMOIZE stored, in the order of storing', async () => {
    const [MEMOIZE, SETITEMS] = [pkl.raw(0x94), pkl.raw(0x75)];
    const second = tensorOp({ ...spec, offset: 1, shape: [1] });
    const tensors = await read(
      ...[
        pkl.EMPTY_DICT,
        MEMOIZE,
        pkl.MARK,
        pkl.text('a'),
        MEMOIZE,
        tensor,
        MEMOIZE,
        pkl.text('b'),
        second,
        MEMOIZE,
      ],
      ...[pkl.text('c'), pkl.get(2), pkl.text('d'), pkl.get(3), SETITEMS],
    );
    assert.deepEqual([...floats32(tensors.get('c')!.bytes)], [5, 6]);
    assert.deepEqual([...floats32(tensors.get('d')!.bytes)], [6]);
  });

  it('takes parameters for their tensors', async () => {
    const parameter = pkl.call(
      pkl.global('torch._utils', '_rebuild_parameter'),
      tensor,
      pkl.FALSE,
      pkl.orderedDict({}),
    );
    assert.deepEqual([...floats32((await read(pkl.dict({ p: parameter }))).get('p')!.bytes)], [5, 6]);
  });

  it('leaves out the attributes of a state dict and scalars beside its tensors', async () => {
    const state = pkl.dict({ _metadata: pkl.orderedDict({ '': pkl.dict({ version: pkl.int(1) }) }) });
    const scalars = {
      step: pkl.int(80000),
      seed: pkl.long(-(2n ** 62n)),
      note: pkl.text('a run'),
      none: pkl.NONE,
      raw: pkl.call(pkl.global('_codecs', 'encode'), pkl.text('\u00ff'), pkl.text('latin1')),
    };
    const tensors = await read(pkl.orderedDict({ w: tensor, ...scalars }), state, pkl.BUILD);
    assert.deepEqual([...tensors.keys()], ['w']);
  });

  for (const key of ['state_dict', 'model', 'model_state_dict', 'energy_model', 'module']) {
    it(`finds the state dict under ${key}`, async () => {
      const root = pkl.dict({
        epoch: pkl.int(3),
        optimizer: pkl.dict({ state: pkl.dict({ a: tensor }), param_groups: pkl.list(pkl.int(1)) }),
        [key]: pkl.orderedDict({ w: tensor }),
        shape: pkl.call(pkl.global('torch', 'Size'), pkl.tuple(pkl.int(2))),
      });
      assert.deepEqual([...(await read(root)).keys()], ['w']);
    });
  }

  it('finds the state dict that --key names, at any depth', async () => {
    const inner = (name: string): pkl.Op => pkl.dict({ [name]: tensor });
    const root = pkl.dict({
      ema: inner('a'),
      'odd.key': inner('b'),
      trainer: pkl.dict({ 'net.main': inner('c') }),
      step: pkl.int(1),
    });
    const find = async (key: string): Promise<string[]> => {
      const file = torchArchive(pkl.pickle(root), data);
      return [...(await decodeTensors('model.pt', file, { key })).keys()];
    };
    assert.deepEqual(await find('ema'), ['a']);
    assert.deepEqual(await find('odd.key'), ['b']);
    assert.deepEqual(await find('trainer.net.main'), ['c']);
    await assert.rejects(find('nothing'), /--key: no state dict found; found tensors under ema, odd\.key/);
    await assert.rejects(find('step'), /--key: no state dict/);
    await assert.rejects(find('trainer'), /found tensors under net\.main/);
  });

  it('finds a state dict two levels down, and tells which tensors it leaves out', async () => {
    const leftOut: string[] = [];
    const root = pkl.dict({
      checkpoint: pkl.dict({ model: pkl.dict({ w: tensor }), optimizer: pkl.dict({ state: tensor }) }),
      step: tensor,
    });
    const file = torchArchive(pkl.pickle(root), data);
    const tensors = await decodeTensors('model.pt', file, { onLeftOut: (what) => leftOut.push(what) });
    assert.deepEqual([...tensors.keys()], ['w']);
    assert.deepEqual(leftOut, ['step: not of the state dict checkpoint.model']);
  });

  it('names the keys when the state dict is ambiguous or elsewhere', async () => {
    const inner = pkl.dict({ w: tensor });
    await assert.rejects(
      read(pkl.dict({ model: inner, energy_model: inner })),
      /several.*found model, energy_model/,
    );
    await assert.rejects(read(pkl.dict({ net: inner, lr: pkl.int(1) })), /found tensors under net.*--key/);
    await assert.rejects(
      read(pkl.dict({ 'cross.w': tensor, model: inner })),
      /several.*found cross\.w beside model.*--key model/,
    );
    await assert.rejects(read(pkl.dict({ lr: pkl.int(1), epoch: pkl.int(2) })), /found keys lr, epoch/);
    await assert.rejects(read(pkl.EMPTY_DICT), /no state dict/);
    await assert.rejects(read(tensor), /found tensor.*torch\.save\(\{'name': tensor\}/);
  });

  it('refuses a container or a nameless tensor beside the tensors', async () => {
    await assert.rejects(read(pkl.dict({ w: tensor, layers: pkl.list(tensor) })), /found layers: list/);
    await assert.rejects(
      read(pkl.dict({ w: tensor }), pkl.int(7), tensor, pkl.SETITEM),
      /key that is not a string; found int/,
    );
  });

  it('refuses tensors whose values are to be changed on loading', async () => {
    const rebuilt = pkl.call(
      pkl.global('torch._utils', '_rebuild_tensor_v2'),
      storageOp(spec),
      pkl.int(0),
      pkl.tuple(pkl.int(2)),
      pkl.tuple(pkl.int(1)),
      pkl.FALSE,
      pkl.orderedDict({}),
      pkl.dict({ neg: pkl.int(1) }),
    );
    await assert.rejects(read(pkl.dict({ w: rebuilt })), /metadata.*resolve_neg/);
  });

  it('reads a scalar, a row and an empty tensor', async () => {
    const tensors = await read(
      pkl.dict({
        scalar: tensorOp({ ...spec, offset: 1, shape: [], strides: [] }),
        row: tensorOp({ ...spec, shape: [1, 2], strides: [7, 1] }),
        empty: tensorOp({ ...spec, offset: 2, shape: [0, 3], strides: [3, 1] }),
      }),
    );
    assert.deepEqual([...floats32(tensors.get('scalar')!.bytes)], [6]);
    assert.equal(tensors.get('empty')!.bytes.byteLength, 0);
    // an axis of one element may have any stride, and is no reason for a copy
    assert.deepEqual([...floats32(tensors.get('row')!.bytes)], [5, 6]);
    assert.equal(tensors.get('row')!.bytes.buffer, tensors.get('scalar')!.bytes.buffer);
  });
});
