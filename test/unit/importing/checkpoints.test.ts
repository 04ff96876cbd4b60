/** Checkpoints as PyTorch and NumPy write them (test/golden/make_checkpoints.py): each is the same model. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { modelTensors } from '../../../src/importing/model-tensors.js';
import { bundleFromCheckpoint } from '../../../src/model/declare.js';
import { floats32, type Tensor } from '../../../src/tensor/tensor.js';
import { readTensors } from '../../../src/weights/checkpoint.js';

const FOLDER = path.join(import.meta.dirname, '../../../../test/golden/data/checkpoints');

async function read(
  name: string,
  { key, prefix }: { key?: string; prefix?: string } = {},
): Promise<{ tensors: Map<string, Tensor>; leftOut: string[] }> {
  const leftOut: string[] = [];
  const onLeftOut = (what: string): void => void leftOut.push(what);
  const saved = await readTensors(path.join(FOLDER, name), { ...(key !== undefined && { key }), onLeftOut });
  return {
    tensors: modelTensors(name, saved, { ...(prefix !== undefined && { prefix }), onLeftOut }),
    leftOut,
  };
}

const plain = (await read('plain.safetensors')).tensors;

const CASES: [file: string, options: { key?: string; prefix?: string }, leftOut: RegExp[]][] = [
  ['averaged.pt', {}, [/^n_averaged: a single int64 value/]],
  ['mixed_prefix.pt', {}, []],
  ['everything.pt', {}, [/^step, rng_state: not of the state dict model/]],
  ['everything_protocol4.pt', {}, [/^step, rng_state/]],
  ['everything_old.pt', {}, [/^step, rng_state/]],
  ['lightning.ckpt', {}, []],
  ['two_levels.pt', {}, [/^1 tensors that are not below "policy\.energy_model\."/]],
  ['two_levels.pt', { prefix: 'policy.energy_model.' }, []],
  ['mixed_prefix.pt', { prefix: '' }, []],
  ['key.pt', { key: 'weights.ema' }, []],
  [
    'pe.pt',
    {},
    [
      /^temperature: a single float32/,
      /^pos_encoding\.pe \[1, 64, 8\]: the positions that the model computes/,
    ],
  ],
  ['shared_old.pt', {}, []],
  ['fortran.npz', {}, []],
];

describe('checkpoints of PyTorch and NumPy', () => {
  for (const [file, options, says] of CASES) {
    it(`${file} ${JSON.stringify(options)} holds the model, and what is left out is named`, async () => {
      const { tensors, leftOut } = await read(file, options);
      assert.deepEqual([...tensors.keys()].sort(), [...plain.keys()].sort());
      for (const [name, { dtype, shape, bytes }] of plain) {
        const found = tensors.get(name)!;
        assert.deepEqual([found.dtype, found.shape], [dtype, shape], name);
        assert.deepEqual(floats32(found.bytes), floats32(bytes), name);
      }
      assert.equal(leftOut.length, says.length, leftOut.join('\n'));
      says.forEach((pattern, i) => assert.match(leftOut[i]!, pattern));
      const declared = { name: 'model', heads: 2, activation: 'relu', readout: { kind: 'sigmoid' } } as const;
      assert.equal(bundleFromCheckpoint(tensors, declared, file).card.hidden, 8);
    });
  }

  it('other positions than the formula are refused', async () => {
    await assert.rejects(read('pe_wrong.pt'), /pos_encoding\.pe: positions other than.*at step 0, column/);
  });

  it('two models in one dict are told apart by --prefix, and two dicts by --key', async () => {
    await assert.rejects(read('key.pt'), /no state dict found.*weights.*--key/);
    const two = new Map(
      [...plain].flatMap(
        ([name, tensor]) =>
          [
            [`a.${name}`, tensor],
            [`b.${name}`, tensor],
          ] as const,
      ),
    );
    assert.throws(
      () => modelTensors('two', two),
      /several energy models; found one below "a\.", one below "b\."/,
    );
    assert.equal(modelTensors('two', two, { prefix: 'b.' }).size, plain.size);
    assert.throws(() => modelTensors('two', two, { prefix: 'c.' }), /--prefix: no key starts with it/);
  });

  it('a prefix is taken before and after the wrappers of it', () => {
    const wrapped = new Map([...plain].map(([name, tensor]) => [`module.policy.${name}`, tensor] as const));
    assert.equal(modelTensors('wrapped', wrapped, { prefix: 'module.policy.' }).size, plain.size);
    assert.equal(modelTensors('wrapped', wrapped, { prefix: 'policy.' }).size, plain.size);
  });
});
