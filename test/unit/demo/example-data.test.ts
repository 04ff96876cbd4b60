/** The example file, made anew and as it is bundled: what README's commands and the clients' tests rely on. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { exampleFile } from '../../../demo/example-data.js';
import { A, H } from '../../../demo/world.js';
import { floats32, type Tensor } from '../../../src/tensor/tensor.js';
import { readSafetensors } from '../../../src/weights/safetensors.js';
import { withDirectory } from '../../support/bundles.js';
import { EXAMPLE_FILE, TINY_EXPERTS } from '../../support/tiny-reach.js';

const CONTEXTS = 4;
const CANDIDATES = 16;

async function check(file: string): Promise<void> {
  const { tensors } = readSafetensors(file, Uint8Array.from(await readFile(file)));
  const rows = (name: string): ((i: number) => Uint8Array) => {
    const { bytes, shape } = tensors.get(name) as Tensor;
    assert.equal(shape[0], CONTEXTS, name);
    return (i) => bytes.subarray((i * bytes.length) / CONTEXTS, ((i + 1) * bytes.length) / CONTEXTS);
  };
  const [masks, experts, candidates] = [rows('pad_mask'), rows('actions'), rows('candidates')];
  const costs = rows('candidate_cost');
  for (const [i, place] of TINY_EXPERTS.entries()) {
    const hidden = masks(i).reduce((sum, value) => sum + value, 0);
    assert.ok(hidden > 0 && hidden <= masks(i).length / 2, `context ${i} hides ${hidden} of its tokens`);
    const own = candidates(i).subarray(4 * place * H * A, 4 * (place + 1) * H * A);
    assert.deepEqual(own, experts(i), `the expert's chunk is candidate ${place} of context ${i}`);
    const cost = floats32(costs(i).slice());
    assert.equal(cost[place], 0);
    const failing = cost.reduce((sum, value) => sum + value, 0);
    assert.ok(failing >= 3 && failing <= CANDIDATES - 3, `${failing} candidates of context ${i} fail`);
  }
}

test('four moments that hang on the choice, the expert among the candidates, at most half of the tokens hidden', () =>
  withDirectory(async (directory) => {
    const file = path.join(directory, 'examples.safetensors');
    await exampleFile(file, 11);
    await check(file);
    await check(EXAMPLE_FILE);
  }));
