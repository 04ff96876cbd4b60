import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { toFloat32, type Tensor } from '../../../src/tensor/tensor.js';
import { readCheckpoint, readTensors } from '../../../src/weights/checkpoint.js';
import { readSafetensors } from '../../../src/weights/safetensors.js';

const goldenPath = (name: string): string =>
  fileURLToPath(new URL(`../../../../test/golden/data/${name}`, import.meta.url));

function assertSameTensors(found: ReadonlyMap<string, Tensor>, wanted: ReadonlyMap<string, Tensor>): void {
  assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
  for (const [name, tensor] of wanted) {
    const other = found.get(name)!;
    assert.equal(other.dtype, tensor.dtype, name);
    assert.deepEqual(other.shape, tensor.shape, name);
    assert.ok(Buffer.from(other.bytes).equals(tensor.bytes), `${name}: other bytes`);
  }
}

describe('golden checkpoints', () => {
  const cases = [
    'cross_relu_sigmoid',
    'cross_silu_linear',
    'cross_silu_softplus_nomask',
    'global_silu_half_square',
  ];
  for (const name of cases) {
    it(`${name}: torch.save and safetensors hold the same bytes`, async () => {
      const wanted = await readCheckpoint(goldenPath(`${name}.weights.safetensors`));
      assert.ok(wanted.size > 10);
      assertSameTensors(await readCheckpoint(goldenPath(`${name}.weights.pt`)), wanted);
    });
  }

  it('strips the prefix of a data-parallel checkpoint, but not of a data file', async () => {
    const wanted = await readCheckpoint(goldenPath('cross_relu_sigmoid.weights.safetensors'));
    const path = goldenPath('cross_relu_sigmoid.weights.ddp.pt');
    assertSameTensors(await readCheckpoint(path), wanted);
    assert.ok([...(await readTensors(path)).keys()].every((key) => key.startsWith('module.')));
  });

  it('reads bfloat16 as the float32 weights rounded', async () => {
    const wide = await readCheckpoint(goldenPath('cross_relu_sigmoid.weights.safetensors'));
    const narrow = await readCheckpoint(goldenPath('cross_relu_sigmoid.weights.bf16.pt'));
    assert.deepEqual([...narrow.keys()].sort(), [...wide.keys()].sort());
    for (const [name, tensor] of narrow) {
      assert.equal(tensor.dtype, 'bfloat16');
      assert.deepEqual(tensor.shape, wide.get(name)!.shape);
      const exact = toFloat32(name, wide.get(name)!);
      for (const [i, value] of toFloat32(name, tensor).entries()) {
        // 7 fraction bits: half a unit in the last place is at most 2^-8 of the value
        assert.ok(Math.abs(value - exact[i]!) <= Math.abs(exact[i]!) * 2 ** -8, `${name}[${i}]`);
      }
    }
  });

  it('reads contiguous tensors without a copy', () => {
    const bytes = new Uint8Array(readFileSync(goldenPath('cross_relu_sigmoid.inputs.safetensors')));
    const { tensors } = readSafetensors('inputs', bytes);
    assert.equal(tensors.get('pad_mask')!.dtype, 'bool');
    for (const tensor of tensors.values()) assert.equal(tensor.bytes.buffer, bytes.buffer);
  });
});
