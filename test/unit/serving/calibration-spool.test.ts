/** What calibration data may take of the disk that they are kept on. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { CalibrationSpool } from '../../../src/serving/calibration-spool.js';
import type { Space } from '../../../src/serving/disk-space.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import { goldenModel, withDirectory } from '../../support/bundles.js';

const { card } = goldenModel('cross_relu_sigmoid');
const GIB = 1024 ** 3;

/** Of two rows, and how many bytes they are. */
function rows(): { tensors: Map<string, Tensor>; bytes: number } {
  const tensor = (...shape: number[]): Tensor =>
    float32Tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  const tensors = new Map([
    ['hidden', tensor(2, 3, card.state_dim)],
    ['actions', tensor(2, card.chunk ?? 8, card.action_dim)],
  ]);
  return { tensors, bytes: [...tensors.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0) };
}

test('a twentieth of a small disk and a gibibyte of a large one stay free', () =>
  withDirectory(async (directory) => {
    const { tensors, bytes } = rows();
    for (const { totalBytes, spare } of [
      { totalBytes: GIB, spare: 0.05 * GIB },
      { totalBytes: 1000 * GIB, spare: GIB },
    ]) {
      let freeBytes = Math.ceil(spare) + bytes;
      const space = (asked: string): Promise<Space> => {
        assert.equal(asked, directory);
        return Promise.resolve({ freeBytes, totalBytes });
      };
      const spool = new CalibrationSpool({ card, directory, maxBytes: 1e12, rows: 8, space });
      await spool.add(tensors);
      freeBytes--;
      await assert.rejects(spool.add(tensors), {
        kind: 'exhausted',
        message: /no room for more calibration data; found \d+ bytes free .* --calibration-directory/,
      });
      await spool.close();
    }
    assert.deepEqual(await readdir(directory), []);
  }));

test('the disk is asked where the test does not say', () =>
  withDirectory(async (directory) => {
    const { tensors, bytes } = rows();
    const spool = new CalibrationSpool({ card, directory, maxBytes: bytes, rows: 2 });
    await spool.add(tensors);
    assert.equal(spool.bytes, bytes);
    await spool.close();
    const nowhere = new CalibrationSpool({ card, directory: `${directory}/none`, maxBytes: 1e9, rows: 2 });
    await assert.rejects(nowhere.add(tensors), { kind: 'precondition', field: 'calibration.directory' });
  }));
