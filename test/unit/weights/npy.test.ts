import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeTensors } from '../../../src/weights/checkpoint.js';
import { readNpy } from '../../../src/weights/npy.js';
import { float32Bytes, npyFile } from '../../support/checkpoints.js';
import { zipArchive } from '../../support/checkpoints-zip.js';

const header = (descr: string, shape: string): string =>
  `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + '\n';

describe('.npy', () => {
  for (const version of [1, 2, 3] as const) {
    it(`reads version ${version} without a copy`, () => {
      const file = npyFile(header('<f4', '(2, 2)'), float32Bytes(1, 2, 3, 4), version);
      const { dtype, shape, bytes } = readNpy('a', file);
      assert.equal(dtype, 'float32');
      assert.deepEqual(shape, [2, 2]);
      assert.equal(bytes.buffer, file.buffer);
      assert.deepEqual(Buffer.from(bytes), Buffer.from(float32Bytes(1, 2, 3, 4)));
    });
  }

  it('reads every dtype', () => {
    const found = ['<f8', '<f4', '<f2', '<i8', '<i4', '<i2', '|i1', '|u1', '|b1'].map((descr) => {
      const size = Number(descr[2]);
      return readNpy('a', npyFile(header(descr, '(3,)'), new Uint8Array(3 * size))).dtype;
    });
    const wanted = ['float64', 'float32', 'float16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'];
    assert.deepEqual(found, wanted);
  });

  it('reads scalars, empty arrays, double quotes and integers of Python 2', () => {
    const shapeOf = (text: string, bytes: number): readonly number[] =>
      readNpy('a', npyFile(text, new Uint8Array(bytes))).shape;
    assert.deepEqual(shapeOf(header('<f4', '()'), 4), []);
    assert.deepEqual(shapeOf(header('<f4', '(0, 3)'), 0), [0, 3]);
    assert.deepEqual(shapeOf(header('<f4', '(2L, 3L)'), 24), [2, 3]);
    assert.deepEqual(shapeOf('{"shape": (1,), "fortran_order": False, "descr": "<f4"}', 4), [1]);
  });

  it('reads Fortran order into rows', () => {
    const fortran = header('<f4', '(2, 3)').replace('False', 'True');
    const { shape, bytes } = readNpy('a', npyFile(fortran, float32Bytes(0, 3, 1, 4, 2, 5)));
    assert.deepEqual(shape, [2, 3]);
    assert.deepEqual(Buffer.from(bytes), Buffer.from(float32Bytes(0, 1, 2, 3, 4, 5)));
    assert.throws(
      () => readNpy('a', npyFile(fortran, float32Bytes(0, 3, 1, 4, 2))),
      /20 bytes; wanted 24 bytes/,
    );
  });

  it('tells how to save bfloat16', () => {
    assert.throws(
      () => readNpy('a', npyFile(header('|V2', '(2,)'), new Uint8Array(4))),
      /V2.*bfloat16.*safetensors/,
    );
  });
});

describe('.npz', () => {
  it('reads arrays by name, stored or deflated', async () => {
    const file = zipArchive([
      { name: 'hidden.npy', data: npyFile(header('<f4', '(2,)'), float32Bytes(1, 2)) },
      { name: 'actions.npy', data: npyFile(header('<f4', '(2,)'), float32Bytes(3, 4)), deflate: true },
    ]);
    const tensors = await decodeTensors('data.npz', file);
    assert.deepEqual([...tensors.keys()], ['hidden', 'actions']);
    assert.deepEqual(Buffer.from(tensors.get('actions')!.bytes), Buffer.from(float32Bytes(3, 4)));
  });
});
