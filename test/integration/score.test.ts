/** `action-energy score` on the bundled model: the command itself, and what batching must not change. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { scoreFile, type FileScores } from '../../src/offline/score-file.js';
import { openScoreData } from '../../src/data/score-data.js';
import { inMemory } from '../../src/data/tensor-file.js';
import type { Engine } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import { Fault } from '../../src/errors.js';
import { loadBundle } from '../../src/model/bundle.js';
import { float32Tensor, floats32, type Tensor } from '../../src/tensor/tensor.js';
import { readTensors } from '../../src/weights/checkpoint.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { float64Values, uniform, withDirectory } from '../support/bundles.js';

const ROOT = path.join(import.meta.dirname, '../../..');
const MODEL = path.join(ROOT, 'models/tiny-reach');
const EXAMPLE = path.join(ROOT, 'models/examples/tiny-reach.safetensors');
/** The same pair in other company: a few roundings of float32. */
const TOLERANCE = 1e-6;

const bundle = await loadBundle(MODEL);
const example = await readTensors(EXAMPLE);
let started: Promise<Engine> | undefined;
after(async () => (await started)?.close());

async function score(tensors: ReadonlyMap<string, Tensor>, matrix = false): Promise<FileScores> {
  const { card } = bundle;
  const engine = await (started ??= startEngine(bundle, { provider: 'cpu', threads: 1 }));
  const data = await openScoreData(inMemory('data', tensors), card);
  return scoreFile(engine, data, {
    readout: card.readout,
    pool: card.pool,
    score: 'readout',
    tau: card.tau,
    matrix,
  });
}

function near(found: Float64Array, wanted: Float64Array): void {
  assert.equal(found.length, wanted.length);
  for (const [i, value] of found.entries()) assert.ok(Math.abs(value - wanted[i]!) <= TOLERANCE, `item ${i}`);
}

interface Printed {
  readonly contexts: readonly { readonly candidates: readonly { candidate: number; steps: number[] }[] }[];
  readonly matrix: { readonly accuracy: number; readonly energies: readonly (readonly number[])[] };
}

function command(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const main = path.join(ROOT, 'dist/src/cli/main.js');
  return spawnSync(process.execPath, [main, 'score', MODEL, ...args, '--provider', 'cpu', '--threads', '1'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

test('the command finds a chunk that succeeds in every example, and writes what it prints', () =>
  withDirectory(async (directory) => {
    const output = path.join(directory, 'scores.safetensors');
    const { status, stdout, stderr } = command(
      EXAMPLE,
      '--json',
      '--top',
      '2',
      '--steps',
      '--matrix',
      '-o',
      output,
    );
    assert.equal(status, 0, stderr);
    const { contexts, matrix } = JSON.parse(stdout) as Printed;
    assert.deepEqual(
      contexts.map(({ candidates }) => candidates.map(({ steps }) => steps.length)),
      Array.from({ length: 4 }, () => [8, 8]),
    );
    const costs = floats32(example.get('candidate_cost')!.bytes);
    for (const [i, { candidates }] of contexts.entries()) {
      const own = [...costs.subarray(16 * i, 16 * (i + 1))];
      assert.ok(own.includes(0) && own.includes(1), `much hangs on the choice in context ${i}`);
      assert.equal(own[candidates[0]!.candidate], 0, `context ${i}`);
    }
    assert.equal(matrix.accuracy, 1);
    const written = await readTensors(output);
    assert.deepEqual(written.get('steps')?.shape, [4, 16, 8]);
    assert.deepEqual(written.get('ranking')?.shape, [4, 16]);
    assert.deepEqual([...float64Values(written.get('matrix')!)], matrix.energies.flat());
  }));

test('the table for people', () => {
  const { status, stdout } = command(
    EXAMPLE,
    '--top',
    '1',
    '--matrix',
    '--score',
    'logit',
    '--pool',
    'first',
  );
  assert.equal(status, 0);
  assert.match(stdout, /context 1: \d+ of 24 tokens visible, 16 candidates\n.*\n +1 +\d+ +-\d/);
  assert.match(stdout, /\.\.\. and 15 more/);
  assert.match(stdout, /Accuracy +[01]\.\d{4} \(guessing: 0\.2500\)/);
});

test('a wrong file ends with code 2 and the name of what is wrong', () =>
  withDirectory(async (directory) => {
    const file = path.join(directory, 'data.safetensors');
    const hidden = float32Tensor([2, 3, 64], new Float32Array(2 * 3 * 64).fill(NaN, 300, 301));
    const actions = float32Tensor([2, 8, 7], new Float32Array(2 * 8 * 7));
    const fails = (tensors: Record<string, Tensor>, message: RegExp, ...flags: string[]): void => {
      writeFileSync(file, writeSafetensors(new Map(Object.entries(tensors))));
      const { status, stderr } = command(file, ...flags);
      assert.equal(status, 2, stderr);
      assert.match(stderr, message);
    };
    fails({ hidden, actions }, /context 1/);
    fails({ hidden, candidates: actions }, /candidates\.shape/);
    fails({ hidden, candidates: float32Tensor([2, 1, 8, 7], new Float32Array(112)) }, /--matrix/, '--matrix');
    fails({ hidden, actions }, /tau/, '--tau', '0');
  }));

test('ragged rows, padded rows and a context alone give the same energies', async () => {
  const padded = await score(new Map([...example].filter(([key]) => key !== 'actions')));
  const hidden = example.get('hidden')!;
  const mask = example.get('pad_mask')!.bytes;
  const rowBytes = 64 * 2;
  const rows: Uint8Array[] = [];
  const offsets = [0n];
  for (let context = 0; context < 4; context++) {
    for (let token = context * 24; token < (context + 1) * 24; token++) {
      if (mask[token] === 0) rows.push(hidden.bytes.subarray(token * rowBytes, (token + 1) * rowBytes));
    }
    offsets.push(BigInt(rows.length));
  }
  const ragged = await score(
    new Map<string, Tensor>([
      ['hidden', { dtype: 'bfloat16', shape: [rows.length, 64], bytes: Buffer.concat(rows) }],
      ['offsets', { dtype: 'int64', shape: [5], bytes: new Uint8Array(BigInt64Array.from(offsets).buffer) }],
      ['candidates', example.get('candidates')!],
    ]),
  );
  const candidates = example.get('candidates')!;
  const alone = await score(
    new Map<string, Tensor>([
      ['hidden', { ...hidden, shape: [24, 64], bytes: hidden.bytes.subarray(0, 24 * rowBytes) }],
      ['pad_mask', { dtype: 'bool', shape: [24], bytes: mask.subarray(0, 24) }],
      ['candidates', { ...candidates, shape: [16, 8, 7], bytes: candidates.bytes.subarray(0, 16 * 56 * 4) }],
    ]),
  );
  for (const [i, { energies }] of ragged.contexts.entries()) near(energies, padded.contexts[i]!.energies);
  near(alone.contexts[0]!.energies, padded.contexts[0]!.energies);
});

test('more candidates than one engine run holds are split, and keep their places', async () => {
  const count = 5000;
  const random = uniform(3);
  const values = Float32Array.from({ length: count * 56 }, () => 2 * random() - 1);
  const context = new Map([
    [
      'hidden',
      { ...example.get('hidden')!, shape: [24, 64], bytes: example.get('hidden')!.bytes.slice(0, 24 * 128) },
    ],
    ['pad_mask', { dtype: 'bool', shape: [24], bytes: example.get('pad_mask')!.bytes.slice(0, 24) } as const],
  ]);
  const all = await score(new Map([...context, ['candidates', float32Tensor([count, 8, 7], values)]]));
  for (const first of [0, 4090, 4990]) {
    const part = float32Tensor([10, 8, 7], values.slice(first * 56, (first + 10) * 56));
    const some = await score(new Map([...context, ['candidates', part]]));
    near(some.contexts[0]!.energies, all.contexts[0]!.energies.slice(first, first + 10));
  }
});

test('the matrix of the calibration data: its diagonal is each own energy, most of them the lowest of their row', async () => {
  const data = await readTensors(path.join(ROOT, 'models/examples/tiny-reach-calibration.safetensors'));
  for (const key of ['candidates', 'candidate_cost']) assert.ok(data.delete(key)); // they would be scored in place of the experts
  const { contexts, matrix } = await score(data, true);
  assert.ok(matrix);
  const rows = data.get('hidden')!.shape[0]!;
  assert.equal(matrix.size, rows);
  const own = Float64Array.from(contexts, ({ energies }) => energies[0]!);
  near(
    own,
    Float64Array.from(own, (_, i) => matrix.energies[i * (rows + 1)]!),
  );
  // similar scenes have similar chunks
  assert.ok(matrix.accuracy > 50 / rows, `accuracy ${matrix.accuracy}`);
  assert.ok(matrix.positiveEnergy + 1 < matrix.negativeEnergy);
});

test('a matrix needs actions and two contexts', async () => {
  const refuses = (tensors: Map<string, Tensor>): Promise<void> =>
    assert.rejects(score(tensors, true), (error) => error instanceof Fault && error.field === '--matrix');
  await refuses(new Map([...example].filter(([key]) => key !== 'actions')));
  const rows = float32Tensor(
    [2, 64],
    Float32Array.from({ length: 128 }, (_, i) => i / 128),
  );
  await refuses(
    new Map([
      ['hidden', rows],
      ['actions', float32Tensor([8, 7], new Float32Array(56))],
    ]),
  );
});
