/** The data layout: all wrong keys named together, the same rows from every layout and format. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData, openCalibrationData } from '../../../src/calibration/data/calibration-data.js';
import { float32Tensor, makeTensor, type Tensor } from '../../../src/tensor/tensor.js';
import { writeSafetensors } from '../../../src/weights/safetensors.js';
import { withDirectory } from '../../support/bundles.js';
import { ACTION_DIM, STATE_DIM, STEPS, syntheticCard, syntheticTensors, TOKENS } from './synthetic.js';

const ROWS = 12;

function without(tensors: Map<string, Tensor>, ...names: string[]): Map<string, Tensor> {
  return new Map([...tensors].filter(([name]) => !names.includes(name)));
}

async function refusal(tensors: Map<string, Tensor>): Promise<string> {
  try {
    await calibrationData([memoryColumns('file', tensors)], syntheticCard());
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

describe('calibration data', () => {
  it('names every wrong or contradictory key in one fault', async () => {
    const tensors = without(syntheticTensors(ROWS, 1), 'actions');
    tensors.set(
      'action',
      float32Tensor([ROWS, STEPS, ACTION_DIM], new Float32Array(ROWS * STEPS * ACTION_DIM)),
    );
    tensors.set('pad_mask', makeTensor('m', 'bool', [ROWS, TOKENS + 1], new Uint8Array(ROWS * (TOKENS + 1))));
    const text = await refusal(tensors);
    assert.match(text, /file: action: unknown key.*Did you mean actions\?/);
    assert.match(text, /file: actions: missing/);
    assert.match(text, new RegExp(`pad_mask: one entry a context token; found ${TOKENS + 1} entries`));
  });

  it('refuses sizes that disagree with the card or with each other', async () => {
    const bad = syntheticTensors(ROWS, 1);
    bad.set('hidden', float32Tensor([ROWS, TOKENS, 5], new Float32Array(ROWS * TOKENS * 5)));
    bad.set('episode_id', float32Tensor([ROWS - 1], new Float32Array(ROWS - 1)));
    bad.set('negatives', float32Tensor([ROWS, 2, STEPS, 6], new Float32Array(ROWS * 2 * STEPS * 6)));
    const text = await refusal(bad);
    assert.match(text, /hidden: shape does not fit; found \[12, 4, 5\]; wanted \[12, S, 12\]/);
    assert.match(text, /episode_id: shape does not fit; found \[11\]; wanted \[12\]/);
    assert.match(text, /negatives: shape does not fit; found \[12, 2, 8, 6\]; wanted \[12, K, 8, 7\]/);
  });

  it('reads ragged rows, and refuses offsets that do not fit', async () => {
    const dense = syntheticTensors(ROWS, 1);
    const ragged = new Map(dense);
    ragged.set('hidden', { ...dense.get('hidden')!, shape: [ROWS * TOKENS, STATE_DIM] });
    const offsets = (of: (row: number) => number): Tensor => {
      const values = BigInt64Array.from({ length: ROWS + 1 }, (_, row) => BigInt(of(row)));
      return makeTensor('offsets', 'int64', [ROWS + 1], new Uint8Array(values.buffer));
    };
    ragged.set(
      'offsets',
      offsets((row) => row * TOKENS),
    );
    const same = await calibrationData([memoryColumns('ragged', ragged)], syntheticCard());
    const wanted = await calibrationData([memoryColumns('dense', dense)], syntheticCard());
    for (let row = 0; row < ROWS; row++) {
      assert.deepEqual((await same.context(row)).hidden, (await wanted.context(row)).hidden);
    }
    ragged.set(
      'offsets',
      offsets((row) => row * TOKENS - (row === 3 ? TOKENS : 0)),
    );
    assert.match(await refusal(ragged), /offsets\[3\]: offsets start at 0 and grow/);
    ragged.set(
      'offsets',
      offsets((row) => row * (TOKENS - 1)),
    );
    assert.match(await refusal(ragged), /offsets\[12\]: the last offset is the number of tokens/);
  });

  it('reads shards of files as one data set, and names shards that differ', async () => {
    await withDirectory(async (directory) => {
      const write = async (name: string, tensors: Map<string, Tensor>): Promise<string> => {
        const file = path.join(directory, name);
        await writeFile(file, writeSafetensors(tensors));
        return file;
      };
      const first = await write('a.safetensors', syntheticTensors(ROWS, 1));
      const second = await write('b.safetensors', syntheticTensors(5, 2));
      const data = await openCalibrationData([first, second], syntheticCard());
      const alone = await openCalibrationData([second], syntheticCard());
      assert.equal(data.rows, ROWS + 5);
      assert.deepEqual(await data.actions(ROWS + 2), await alone.actions(2));
      assert.deepEqual((await data.context(ROWS + 4)).hidden, (await alone.context(4)).hidden);
      assert.deepEqual([...data.episode!.subarray(ROWS)], [...alone.episode!]);
      await Promise.all([data.close(), alone.close()]);
      const third = await write('c.safetensors', without(syntheticTensors(5, 2), 'step'));
      await assert.rejects(
        openCalibrationData([first, third], syntheticCard()),
        /c\.safetensors: columns differ/,
      );
    });
  });

  it('knows its files by their digests, and what is no file by none; closing ends the reading', () =>
    withDirectory(async (directory) => {
      const bytes = writeSafetensors(syntheticTensors(ROWS, 1));
      const file = path.join(directory, 'data.safetensors');
      await writeFile(file, bytes);
      const data = await openCalibrationData([file], syntheticCard());
      assert.deepEqual(await data.digests(), [createHash('sha256').update(bytes).digest('hex')]);
      const late = data.digests();
      await Promise.all([data.close(), assert.rejects(late, { name: 'AbortError' })]);
      const memory = await calibrationData(
        [memoryColumns('wire', syntheticTensors(ROWS, 1))],
        syntheticCard(),
      );
      assert.deepEqual(await memory.digests(), [undefined]);
    }));

  it('reads layers and given negatives by row', async () => {
    const tensors = syntheticTensors(ROWS, 1);
    const counting = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i);
    const size = STEPS * ACTION_DIM;
    tensors.set('layer_actions', float32Tensor([3, ROWS, STEPS, ACTION_DIM], counting(3 * ROWS * size)));
    tensors.set('negatives', float32Tensor([ROWS, 2, STEPS, ACTION_DIM], counting(ROWS * 2 * size)));
    const data = await calibrationData([memoryColumns('file', tensors)], syntheticCard());
    assert.equal((await data.layerActions(2, 5))[0], (2 * ROWS + 5) * size);
    assert.equal((await data.negatives(4, 1)).length, size);
    assert.equal((await data.negatives(4, 2))[size], (4 * 2 + 1) * size);
  });
});
