/** What `train` writes is a state dict: PyTorch loads it as it is and computes the energies that our engine does. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { loadBundle } from '../../src/model/bundle.js';
import type { ModelCard } from '../../src/model/card.js';
import { float32Tensor, toFloat32 } from '../../src/tensor/tensor.js';
import { readTensors } from '../../src/weights/checkpoint.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { smallCard, uniform, withDirectory } from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import { findPython, PYTHON_SETUP, runGolden } from '../support/python.js';

/** Absolute; float32 on the engine against float64 of the same weights. */
const TOLERANCE = 2e-6;
const [B, S, D, H, A] = [24, 6, 8, 5, 3] as const;

const dims = { state_dim: D, hidden: 16, action_dim: A };
const learned: ModelCard['pool'] = { kind: 'weighted', learned: true, weights: Array<number>(H).fill(1 / H) };
const CARDS: Readonly<Record<string, ModelCard>> = {
  cross: smallCard(dims),
  cross_no_norm_learned: smallCard({ ...dims, action_norm: 'none', chunk: H, pool: learned }),
  cross_windowed_max: smallCard({ ...dims, pool: { kind: 'windowed_max', window: 3 }, layer_norm_eps: 1e-6 }),
  global_learned: smallCard({ ...dims, architecture: 'global_context', layers: 2, chunk: H, pool: learned }),
};

const python = findPython();
if (python === undefined && process.env['CI'] === 'true') {
  test('PyTorch is installed', () => assert.fail(`no Python with torch: ${PYTHON_SETUP}`));
} else if (python === undefined) {
  process.stderr.write(`\n*** SKIPPED: PyTorch does not load trained models: ${PYTHON_SETUP} ***\n\n`);
}

for (const [name, card] of Object.entries(CARDS)) {
  test(
    `${name}: trained here, the same energies in PyTorch`,
    { skip: python === undefined && `no Python with torch: ${PYTHON_SETUP}` },
    () =>
      withDirectory(async (directory) => {
        const file = (part: string): string => path.join(directory, part);
        const random = uniform(3);
        const values = (...shape: readonly number[]): ReturnType<typeof float32Tensor> =>
          float32Tensor(
            shape,
            Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * random() - 1),
          );
        const global = card.architecture === 'global_context';
        const data = new Map([
          ['hidden', global ? values(B, D) : values(B, S, D)],
          ['actions', values(B, H, A)],
        ]);
        await writeFile(file('card.json'), JSON.stringify(card));
        await writeFile(file('data.safetensors'), writeSafetensors(data));
        const flags = [
          '--batch',
          '6',
          '--updates',
          '8',
          '--lr',
          '0.01',
          '--validation',
          '0',
          '--threads',
          '1',
        ];
        const args = [file('data.safetensors'), '--card', file('card.json'), '-o', file('model'), ...flags];
        const trained = await runCli('train', ...args);
        assert.equal(trained.code, 0, trained.stderr);

        const scored = await runCli('score', file('model'), file('data.safetensors'), '--raw', '--json');
        assert.equal(scored.code, 0, scored.stderr);
        const { contexts } = JSON.parse(scored.stdout) as {
          contexts: { candidates: { energy: number }[] }[];
        };
        const found = contexts.map(({ candidates }) => candidates[0]!.energy);

        runGolden(python!, 'bundle_energies.py', [
          file('model'),
          file('data.safetensors'),
          file('out.safetensors'),
        ]);
        const tensors = await readTensors(file('out.safetensors'));
        const wanted = toFloat32('energies', tensors.get('energies')!);
        assert.equal(found.length, B);
        for (const [i, energy] of found.entries()) {
          assert.ok(Math.abs(energy - wanted[i]!) <= TOLERANCE, `${i}: ${energy}, PyTorch ${wanted[i]}`);
        }
        // learned weights have left where they began, and the card has what the state dict says
        const { card: written } = await loadBundle(file('model'));
        if (card.pool === learned) assert.notDeepEqual(written.pool, learned);
      }),
  );
}
