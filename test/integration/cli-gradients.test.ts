/** `action-energy gradients` as a user runs it. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { floats32, float32Tensor, type Tensor } from '../../src/tensor/tensor.js';
import { readTensors } from '../../src/weights/checkpoint.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { saveBundle } from '../../src/model/bundle.js';
import {
  float64Values,
  goldenModel,
  goldenPath,
  goldenTensors,
  withDirectory,
  type GoldenCase,
} from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import { assertClose } from '../support/numbers.js';

const TINY_REACH = fileURLToPath(new URL('../../../models/tiny-reach', import.meta.url));

async function bundleOf(directory: string, name: GoldenCase): Promise<string> {
  const { card, weights } = goldenModel(name);
  const target = path.join(directory, name);
  await saveBundle(target, card, weights);
  return target;
}

test('writes the loss, every gradient by name and shape, and the gradient by the actions', () =>
  withDirectory(async (directory) => {
    const name = 'cross_relu_sigmoid';
    const model = await bundleOf(directory, name);
    const out = path.join(directory, 'out.safetensors');
    const data = goldenPath(`${name}.inputs.safetensors`);
    const result = await runCli('gradients', model, data, '--loss', 'swap', '-o', out, '--json');
    assert.equal(result.code, 0, result.stderr);
    const summary = JSON.parse(result.stdout) as Record<string, unknown>;
    const expected = goldenTensors(name, 'expected');
    const tensors = await readTensors(out);
    const loss = float64Values(expected.get('swap_infonce')!);
    assertClose(floats32(tensors.get('loss')!.bytes), loss, 1e-5, 'loss');
    assertClose([summary['loss'] as number], loss, 1e-5, 'loss in JSON');
    const { weights } = goldenModel(name);
    const wanted = ['loss', 'action_grad', ...[...weights.keys()].map((key) => `grad/${key}`)];
    assert.deepEqual([...tensors.keys()].sort(), wanted.sort());
    for (const [key, { shape }] of weights) assert.deepEqual(tensors.get(`grad/${key}`)!.shape, shape, key);
    assert.deepEqual(tensors.get('loss')!.shape, []);

    const tau = await runCli('gradients', model, data, '--loss', 'swap', '--tau', '2', '-o', out, '--json');
    const other = JSON.parse(tau.stdout) as Record<string, unknown>;
    assert.equal(other['tau'], 2);
    assert.notEqual(other['loss'], summary['loss']);
  }));

test('masked tokens and a mask that hides nothing change no bit of a gradient', () =>
  withDirectory(async (directory) => {
    const name = 'cross_silu_softplus_nomask';
    const model = await bundleOf(directory, name);
    const inputs = goldenTensors(name, 'inputs');
    const hidden = inputs.get('hidden')!;
    const [B, S, D] = hidden.shape as [number, number, number];
    const run = async (changed: Map<string, Tensor>): Promise<Map<string, Tensor>> => {
      const [data, out] = [path.join(directory, 'in.safetensors'), path.join(directory, 'out.safetensors')];
      await writeFile(data, writeSafetensors(changed));
      const result = await runCli('gradients', model, data, '--loss', 'margin', '-o', out);
      assert.equal(result.code, 0, result.stderr);
      return readTensors(out);
    };
    const plain = await run(inputs);
    const none: Tensor = { dtype: 'bool', shape: [B, S], bytes: new Uint8Array(B * S) };
    const all = await run(new Map([...inputs, ['pad_mask', none]]));
    // two tokens of rubbish in front of every context, masked
    const padded = new Float32Array(B * (S + 2) * D).fill(1e6);
    const mask = new Uint8Array(B * (S + 2));
    for (let b = 0; b < B; b++) {
      padded.set(floats32(hidden.bytes).subarray(b * S * D, (b + 1) * S * D), (b * (S + 2) + 2) * D);
      mask.fill(1, b * (S + 2), b * (S + 2) + 2);
    }
    const shifted = await run(
      new Map([
        ...inputs,
        ['hidden', float32Tensor([B, S + 2, D], padded)],
        ['pad_mask', { dtype: 'bool' as const, shape: [B, S + 2], bytes: mask }],
      ]),
    );
    for (const [key, tensor] of plain) {
      const values = floats32(tensor.bytes);
      assert.deepEqual(floats32(all.get(key)!.bytes), values, `${key}: a mask that hides nothing`);
      assert.deepEqual(floats32(shifted.get(key)!.bytes), values, `${key}: masked tokens in front`);
    }
  }));

test('noise is drawn where there is none, the same each time, and said', () =>
  withDirectory(async (directory) => {
    const name = 'cross_relu_sigmoid';
    const model = await bundleOf(directory, name);
    const inputs = goldenTensors(name, 'inputs');
    for (const key of ['noise0', 'noise1', 'noise2']) inputs.delete(key);
    const data = path.join(directory, 'in.safetensors');
    await writeFile(data, writeSafetensors(inputs));
    const outs: Buffer[] = [];
    for (const out of ['a', 'b'].map((file) => path.join(directory, `${file}.safetensors`))) {
      const result = await runCli('gradients', model, data, '--loss', 'alignment', '-o', out);
      assert.equal(result.code, 0, result.stderr);
      assert.match(result.stderr, /noise was drawn/);
      outs.push(await readFile(out));
    }
    assert.deepEqual(outs[0], outs[1]);
  }));

const BAD: readonly [
  what: string,
  loss: string,
  change: (inputs: Map<string, Tensor>) => void,
  says: RegExp,
][] = [
  ['no negatives', 'explicit', (inputs) => inputs.delete('negatives'), /negatives: missing key/],
  [
    'negatives of other pairs',
    'hinge',
    (inputs) => inputs.set('negatives', float32Tensor([1, 1, 8, 7], new Float32Array(56))),
    /negatives\.shape: does not fit the actions[^]*\[1, 1, 8, 7\]/,
  ],
  ['a gap in the noise', 'alignment', (inputs) => inputs.delete('noise1'), /noise1: missing key/],
  [
    'noise of another shape',
    'alignment',
    (inputs) => inputs.set('noise2', float32Tensor([2], new Float32Array(2))),
    /noise2\.shape: does not fit/,
  ],
  [
    'a value that is not finite',
    'swap',
    (inputs) =>
      new DataView(inputs.get('actions')!.bytes.buffer, inputs.get('actions')!.bytes.byteOffset).setFloat32(
        0,
        NaN,
        true,
      ),
    /non-finite action/,
  ],
  ['an unknown key', 'swap', (inputs) => inputs.set('noise', inputs.get('noise0')!), /noise: unknown key/],
  [
    'no actions',
    'swap',
    (inputs) => inputs.delete('actions'),
    /candidates: missing key|actions: missing key/,
  ],
];

for (const [what, loss, change, says] of BAD) {
  test(`refused: ${what}`, () =>
    withDirectory(async (directory) => {
      const name = 'cross_relu_sigmoid';
      const model = await bundleOf(directory, name);
      const inputs = new Map(
        [...goldenTensors(name, 'inputs')].map(([key, tensor]) => [
          key,
          { ...tensor, bytes: tensor.bytes.slice() },
        ]),
      );
      change(inputs);
      const data = path.join(directory, 'in.safetensors');
      const out = path.join(directory, 'out.safetensors');
      await writeFile(data, writeSafetensors(inputs));
      const result = await runCli('gradients', model, data, '--loss', loss, '-o', out);
      assert.equal(result.code, 2, result.stderr);
      assert.match(result.stderr, says);
      await assert.rejects(readFile(out), 'nothing is written');
    }));
}

test('an unknown loss and a temperature of zero are usage errors', async () => {
  const base = ['gradients', TINY_REACH, 'x.safetensors', '-o', 'x'];
  assert.equal((await runCli(...base, '--loss', 'squared')).code, 2);
  assert.equal((await runCli(...base, '--loss', 'swap', '--tau', '0')).code, 2);
  assert.equal((await runCli(...base)).code, 2);
});

test('a missing folder for the output is found before anything is read', () =>
  withDirectory(async (directory) => {
    const out = path.join(directory, 'missing', 'out.safetensors');
    const data = goldenPath('cross_relu_sigmoid.inputs.safetensors');
    const result = await runCli('gradients', path.join(directory, 'none'), data, '--loss', 'swap', '-o', out);
    assert.equal(result.code, 3, result.stderr);
    assert.match(result.stderr, /missing\/out\.safetensors: cannot be written/);
  }));
