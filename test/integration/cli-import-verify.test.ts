/** `import --verify` and `--data`: a wrong declaration does not pass. */
import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import {
  float64Values,
  goldenPath,
  goldenTensors,
  withDirectory,
  type GoldenCase,
} from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import { float32Tensor, type Tensor } from '../../src/tensor/tensor.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';

const ROOT = path.join(import.meta.dirname, '../../..');

/** What the training code would save: inputs, and the energies that PyTorch has for them. */
function expectedFile(
  name: GoldenCase,
  change: (tensors: Map<string, Tensor>) => void = () => undefined,
): Uint8Array {
  const inputs = goldenTensors(name, 'inputs');
  const energy = float64Values(goldenTensors(name, 'expected').get('energy')!);
  const tensors = new Map<string, Tensor>();
  for (const key of ['hidden', 'actions', 'pad_mask'])
    if (inputs.has(key)) tensors.set(key, inputs.get(key)!);
  tensors.set('energies', float32Tensor([energy.length], Float32Array.from(energy)));
  change(tensors);
  return writeSafetensors(tensors);
}

const CASES: [name: GoldenCase, right: string, wrong: [flags: string, says: RegExp][]][] = [
  [
    'cross_relu_sigmoid',
    '--heads 4 --activation relu --readout sigmoid',
    [
      ['--heads 8 --activation relu --readout sigmoid', /reproduces them.*: --heads 4$/m],
      [
        '--heads 4 --activation relu --readout linear',
        /: --readout sigmoid --gain 0\.5 --scale 2 --offset 0\.1$/m,
      ],
      ['--heads 8 --activation silu --readout softplus', /: --heads 4 --activation relu --readout sigmoid/],
      [
        '--heads 4 --activation relu --readout sigmoid --mask-polarity true_is_visible',
        /: --mask-polarity true_is_ignored$/m,
      ],
    ],
  ],
  [
    'global_silu_half_square',
    '--activation silu --readout half_square',
    [['--activation relu --readout half_square', /: --activation silu$/m]],
  ],
];

for (const [name, right, wrong] of CASES) {
  test(`import ${name} --verify takes the right setting and names it for a wrong one`, () =>
    withDirectory(async (directory) => {
      const expected = path.join(directory, 'expected.safetensors');
      await writeFile(expected, expectedFile(name));
      const target = path.join(directory, 'm');
      const args = ['import', goldenPath(`${name}.weights.pt`), '-o', target, '--verify', expected];
      for (const [flags, says] of wrong) {
        const refused = await runCli(...args, ...flags.split(' '));
        assert.equal(refused.code, 2, `${flags}: ${refused.stderr}`);
        assert.match(refused.stderr, says, flags);
        await assert.rejects(access(target), 'nothing is written');
      }
      const taken = await runCli(...args, ...right.split(' '));
      assert.equal(taken.code, 0, taken.stderr);
      assert.match(taken.stdout, /verified: 5 energies reproduced/);
    }));
}

test('energies that no setting reproduces, and files without energies, are refused', () =>
  withDirectory(async (directory) => {
    const name = 'global_silu_half_square';
    const expected = path.join(directory, 'expected.safetensors');
    const args = [
      'import',
      goldenPath(`${name}.weights.pt`),
      '-o',
      path.join(directory, 'm'),
      '--verify',
      expected,
    ];
    args.push('--activation', 'silu', '--readout', 'half_square');
    await writeFile(
      expected,
      expectedFile(name, (tensors) => {
        const { bytes } = tensors.get('energies')!;
        new DataView(bytes.buffer, bytes.byteOffset).setFloat32(8, 3, true);
      }),
    );
    assert.match((await runCli(...args)).stderr, /No setting does.*evaluation mode/);
    await writeFile(
      expected,
      expectedFile(name, (tensors) => void tensors.delete('energies')),
    );
    assert.match((await runCli(...args)).stderr, /energies: missing/);
    await writeFile(
      expected,
      expectedFile(name, (tensors) => {
        tensors.set('energies', float32Tensor([2], new Float32Array(2)));
      }),
    );
    assert.match((await runCli(...args)).stderr, /one energy a chunk[^]*\[2\][^]*\[5\]/);
  }));

test('import --data compares settings, and refuses wrong heads on a trained checkpoint', () =>
  withDirectory(async (directory) => {
    const data = path.join(ROOT, 'models/examples/tiny-reach-calibration.safetensors');
    const args = [
      'import',
      path.join(ROOT, 'models/tiny-reach/weights.safetensors'),
      '-o',
      path.join(directory, 'm'),
    ];
    args.push('--activation', 'relu', '--readout', 'linear', '--units', 'normalized_q99', '--data', data);
    const refused = await runCli(...args, '--heads', '8');
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /another setting fits these data better[^]*Import with --heads 4/);
    const taken = await runCli(...args, '--heads', '4', '--json');
    assert.equal(taken.code, 0, taken.stderr);
    const { settings } = JSON.parse(taken.stdout) as {
      settings: { losses: { flags: string[]; loss: number }[] };
    };
    assert.deepEqual(settings.losses[0]!.flags, []);
  }));
