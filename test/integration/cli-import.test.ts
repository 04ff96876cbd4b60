import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { access, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { loadBundle } from '../../src/model/bundle.js';
import type { ModelCard } from '../../src/model/card.js';
import { parameterCount, weightValues } from '../../src/model/weights.js';
import { float32Tensor } from '../../src/tensor/tensor.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import {
  GOLDEN_CASES,
  goldenDescription,
  goldenPath,
  goldenTensors,
  withDirectory,
  type GoldenCase,
} from '../support/bundles.js';
import { runCli } from '../support/cli.js';

/** The flags that the case's PyTorch description calls for. */
function flagsOf(name: GoldenCase): string[] {
  const { heads, activation, energy } = goldenDescription(name);
  const declared = ['--activation', activation, '--readout', energy];
  return heads === undefined ? declared : ['--heads', String(heads), ...declared];
}

const FILES: readonly (readonly [GoldenCase, string])[] = [
  ...GOLDEN_CASES.flatMap((name) => [[name, 'weights.pt'] as const, [name, 'weights.safetensors'] as const]),
  ['cross_relu_sigmoid', 'weights.bf16.pt'],
  ['cross_relu_sigmoid', 'weights.ddp.pt'],
];

for (const [name, suffix] of FILES) {
  test(`import ${name}.${suffix}: the bundle holds the checkpoint's weights and the declared card`, () =>
    withDirectory(async (directory) => {
      const source = goldenPath(`${name}.${suffix}`);
      const target = path.join(directory, 'models', 'm');
      const result = await runCli('import', source, ...flagsOf(name), '-o', target);
      assert.equal(result.code, 0, result.stderr);
      const { card, weights, digest } = await loadBundle(target);
      const { activation, energy, tau, shapes } = goldenDescription(name);
      assert.equal(card.name, 'm');
      assert.equal(card.activation, activation);
      assert.equal(card.readout.kind, energy);
      assert.equal(card.tau, tau);
      assert.equal(card.state_dim, shapes.D);
      assert.equal(card.actions.units, 'unspecified');
      const sha256 = createHash('sha256')
        .update(await readFile(source))
        .digest('hex');
      assert.equal(card.provenance?.source, path.basename(source));
      assert.equal(card.provenance?.sha256, sha256);
      const golden = goldenTensors(name, 'weights');
      assert.equal(weights.size, golden.size);
      const tolerance = suffix.includes('bf16') ? 2 ** -8 : 0; // relative: bfloat16 keeps 8 bits
      for (const key of golden.keys()) {
        const wanted = weightValues(golden, key);
        weightValues(weights, key).forEach((value, i) => {
          assert.ok(Math.abs(value - wanted[i]!) <= tolerance * Math.abs(wanted[i]!), `${key}[${i}]`);
        });
      }
      for (const part of [digest, '"architecture"', 'action units are unspecified']) {
        assert.ok(result.stdout.includes(part), `${part} in ${result.stdout}`);
      }
    }));
}

test('import without heads, activation and readout asks for all, and the suggested command works', () =>
  withDirectory(async (directory) => {
    const source = goldenPath('cross_relu_sigmoid.weights.pt');
    const target = path.join(directory, 'it is mine');
    const result = await runCli('import', source, '-o', target, '--name', 'mine');
    assert.equal(result.code, 2);
    assert.equal(result.stdout, '');
    for (const part of ['heads', 'activation', 'readout']) assert.ok(result.stderr.includes(part));
    const command = /action-energy (import .*)/.exec(result.stderr)?.[1];
    assert.ok(command, result.stderr);
    assert.match(command, /--heads 8 --activation relu --readout sigmoid/);
    await assert.rejects(access(target));
    // what a shell would make of the line
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);
    assert.equal((await runCli(...words)).code, 0);
    assert.equal((await loadBundle(target)).card.name, 'mine');
  }));

test('import takes every declaration into the card', () =>
  withDirectory(async (directory) => {
    const target = path.join(directory, 'm');
    const result = await runCli(
      ...['import', goldenPath('cross_relu_sigmoid.weights.pt'), ...flagsOf('cross_relu_sigmoid')],
      ...['-o', target, '--name', 'arm-v2', '--tau', '0.25', '--pool', 'discount:0.9', '--chunk', '8'],
      ...['--gain', '1', '--scale', '3', '--offset', '0', '--units', 'normalized_q99'],
      ...['--bounds-low', '-1', '--bounds-high', '1,1,1,1,1,1,2'],
      ...['--gripper-index', '6', '--gripper-coding', 'zero_one'],
      ...['--dim-names', 'x,y,z,roll,pitch,yaw,gripper', '--json'],
    );
    assert.equal(result.code, 0, result.stderr);
    const { card, digest, advice } = JSON.parse(result.stdout) as {
      card: ModelCard;
      digest: string;
      advice: string[];
    };
    const loaded = await loadBundle(target);
    assert.deepEqual(card, loaded.card);
    assert.equal(digest, loaded.digest);
    assert.deepEqual(advice, []);
    assert.equal(card.name, 'arm-v2');
    assert.equal(card.tau, 0.25);
    assert.equal(card.chunk, 8);
    assert.deepEqual(card.pool, { kind: 'discount', gamma: 0.9 });
    assert.deepEqual(card.readout, { kind: 'sigmoid', gain: 1, scale: 3, offset: 0 });
    assert.deepEqual(card.actions, {
      units: 'normalized_q99',
      bounds: { low: [-1, -1, -1, -1, -1, -1, -1], high: [1, 1, 1, 1, 1, 1, 2] },
      gripper: { index: 6, coding: 'zero_one' },
      names: ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'],
    });
  }));

test('import refuses contradictory declarations, exit 2, and writes nothing', () =>
  withDirectory(async (directory) => {
    const target = path.join(directory, 'm');
    const golden = goldenPath('cross_relu_sigmoid.weights.pt');
    const base = ['import', golden, '-o', target, '--activation', 'relu'];
    const cases: readonly (readonly [args: readonly string[], wanted: RegExp])[] = [
      [['--heads', '5', '--readout', 'sigmoid'], /energy\.json: heads: does not divide hidden/],
      [['--heads', '4', '--readout', 'linear', '--gain', '2'], /--gain: the linear readout has none/],
      [['--heads', '4', '--readout', 'sigmoid', '--gripper-index', '6'], /--gripper-coding: missing/],
      [['--heads', '4', '--readout', 'sigmoid', '--bounds-low', '-1,0', '--bounds-high', '1'], /7 entries/],
      [['--heads', 'four', '--readout', 'sigmoid'], /Not a number/],
      [['--heads', '4', '--readout', 'sigmoid', '--pool', 'median'], /weighted.*discount/],
      [['--heads', '4', '--readout', 'tanh'], /sigmoid, softplus, linear, half_square/],
    ];
    for (const [args, wanted] of cases) {
      const { code, stderr, stdout } = await runCli(...base, ...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^error: /);
      assert.match(stderr, wanted);
      assert.doesNotMatch(stderr, /\n\s+at /); // no stack
      assert.equal(stdout, '');
    }
    await assert.rejects(access(target));
  }));

test('import names non-finite weights by tensor and position', () =>
  withDirectory(async (directory) => {
    const tensors = goldenTensors('global_silu_half_square', 'weights');
    const poisoned = weightValues(tensors, 'action_proj.weight').slice();
    poisoned[7 * 3 + 2] = NaN;
    tensors.set('action_proj.weight', float32Tensor([32, 7], poisoned));
    const source = path.join(directory, 'bad.safetensors');
    await writeFile(source, writeSafetensors(tensors));
    const flags = flagsOf('global_silu_half_square');
    const { code, stderr } = await runCli('import', source, ...flags, '-o', path.join(directory, 'm'));
    assert.equal(code, 2);
    assert.match(stderr, /action_proj\.weight\[3, 2\]: non-finite weight/);
  }));

test('import finds the model inside a larger one, says what it leaves out, and takes a prefix', () =>
  withDirectory(async (directory) => {
    const tensors = goldenTensors('global_silu_half_square', 'weights');
    const prefixed = new Map([...tensors].map(([key, tensor]) => [`head.${key}`, tensor]));
    prefixed.set('policy.bias', float32Tensor([1], new Float32Array(1)));
    const source = path.join(directory, 'all.safetensors');
    await writeFile(source, writeSafetensors(prefixed));
    const args = ['import', source, ...flagsOf('global_silu_half_square'), '-o', path.join(directory, 'm')];
    const found = await runCli(...args);
    assert.equal(found.code, 0, found.stderr);
    assert.match(found.stdout, /left out: 1 tensors that are not below "head\."/);
    args.push('--force');
    const wrong = await runCli(...args, '--prefix', 'tail.');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /no key starts with it/);
    assert.equal((await runCli(...args, '--prefix', 'head.')).code, 0);
  }));

test('import replaces a bundle only with --force', () =>
  withDirectory(async (directory) => {
    const target = path.join(directory, 'm');
    const args = ['import', goldenPath('cross_relu_sigmoid.weights.pt'), ...flagsOf('cross_relu_sigmoid')];
    assert.equal((await runCli(...args, '-o', target)).code, 0);
    const again = await runCli(...args, '-o', target, '--tau', '0.1');
    assert.equal(again.code, 3);
    assert.match(again.stderr, /--force/);
    assert.equal((await loadBundle(target)).card.tau, 0.5);
    assert.equal((await runCli(...args, '-o', target, '--tau', '0.1', '--force')).code, 0);
    assert.equal((await loadBundle(target)).card.tau, 0.1);
  }));

test('inspect prints card, shapes, parameter count and digest', () =>
  withDirectory(async (directory) => {
    const target = path.join(directory, 'm');
    const source = goldenPath('cross_relu_sigmoid.weights.bf16.pt');
    await runCli('import', source, ...flagsOf('cross_relu_sigmoid'), '-o', target);
    const { card, weights, digest } = await loadBundle(target);
    const text = await runCli('inspect', target);
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /state_linear\.fc1\.weight +bfloat16 +\[32, 48\]/);
    assert.ok(text.stdout.includes(digest));
    const json = await runCli('inspect', target, '--json');
    const parsed = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.deepEqual(parsed['card'], card);
    assert.equal(parsed['parameters'], parameterCount(weights));
    assert.equal(parsed['digest'], digest);
    assert.equal((parsed['tensors'] as unknown[]).length, weights.size);
  }));

test('inspect of nothing exits 3, and with --json the fault is JSON on stderr', () =>
  withDirectory(async (directory) => {
    const { code, stderr, stdout } = await runCli('inspect', path.join(directory, 'none'), '--json');
    assert.equal(code, 3);
    assert.equal(stdout, '');
    const { error } = JSON.parse(stderr) as { error: Record<string, string> };
    assert.equal(error['kind'], 'not_found');
    assert.match(error['field']!, /energy\.json$/);
  }));

test('wrong commands and flags exit 2 with a suggestion; help and version exit 0', async () => {
  const command = await runCli('inspcet', 'x');
  assert.equal(command.code, 2);
  assert.match(command.stderr, /unknown command 'inspcet'[\s\S]*Did you mean inspect\?/);
  const flag = await runCli('import', 'x.pt', '--head', '8', '-o', 'm', '--json');
  assert.equal(flag.code, 2);
  const { error } = JSON.parse(flag.stderr) as { error: Record<string, string> };
  assert.match(error['mend']!, /Did you mean --heads\?/);
  assert.equal((await runCli()).code, 2);
  const help = await runCli('--help');
  assert.equal(help.code, 0);
  assert.match(help.stdout, /import[\s\S]*inspect[\s\S]*Exit codes:[\s\S]*2 {2}usage or invalid input/);
  const version = await runCli('--version');
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  const missing = await runCli('import', '/nowhere/x.pt', '-o', 'm');
  assert.equal(missing.code, 3, missing.stderr);
});

test('--verbose adds the stack', async () => {
  const { stderr } = await runCli('inspect', '/nowhere', '--verbose');
  assert.match(stderr, /\n\s+at /);
});
