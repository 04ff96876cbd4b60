/** `action-energy client` as a user runs it, against the bundled model. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { readFileSync } from 'node:fs';
import type { RunningServer } from '../../src/grpc/server.js';
import { withDirectory } from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import { addressOf, startTestServer } from '../support/service.js';

const MODELS = fileURLToPath(new URL('../../../models/', import.meta.url));
const DATA = path.join(MODELS, 'examples/tiny-reach.safetensors');
const LOCAL = ['score', path.join(MODELS, 'tiny-reach'), DATA, '--provider', 'cpu', '--threads', '1'];

interface Scores {
  readonly contexts: readonly { readonly candidates: readonly { candidate: number; energy: number }[] }[];
  readonly matrix: { readonly energies: readonly (readonly number[])[]; readonly infonce_loss: number };
}

describe('action-energy client', () => {
  let server: RunningServer;
  let address: string[];
  before(async () => {
    server = await startTestServer(MODELS);
    address = ['--address', addressOf(server)];
  });
  after(() => server.close());

  for (const keep of [[], ['--keep-context']]) {
    test(`score${keep.join(' ')} prints what the local command prints`, async () => {
      const asked = ['--top', '3', '--matrix', '--json', '--pool', 'discount:0.9', '--score', 'logit'];
      const [remote, local] = await Promise.all([
        runCli('client', 'score', ...address, ...keep, DATA, ...asked),
        runCli(...LOCAL, ...asked),
      ]);
      assert.equal(remote.code, 0, remote.stderr);
      const [theirs, ours] = [JSON.parse(remote.stdout), JSON.parse(local.stdout)] as [Scores, Scores];
      assert.deepEqual(theirs.contexts, ours.contexts);
      // the wire carries a matrix in float32
      for (const [i, row] of ours.matrix.energies.entries()) {
        assert.deepEqual(theirs.matrix.energies[i], row.map(Math.fround));
      }
      assert.ok(Math.abs(theirs.matrix.infonce_loss - ours.matrix.infonce_loss) < 1e-5);
    });
  }

  test('score --score corrected prints what the local command prints, and is refused with what leaves the calibration out', async () => {
    const asked = ['--score', 'corrected'];
    const remote = await runCli('client', 'score', ...address, DATA, ...asked);
    assert.equal(remote.code, 0, remote.stderr);
    assert.equal(remote.stdout, (await runCli(...LOCAL, ...asked)).stdout);
    assert.match(remote.stdout, /rank +candidate +corrected +probability +p-value/);
    for (const flag of [['--raw'], ['--tau', '1'], ['--pool', 'sum'], ['--matrix']]) {
      const refused = await runCli(...LOCAL, ...asked, ...flag);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, new RegExp(`--score corrected with ${flag[0]}`));
    }
  });

  test('score prints the same table, and writes the same file', () =>
    withDirectory(async (directory) => {
      const [one, other] = [path.join(directory, 'a.safetensors'), path.join(directory, 'b.safetensors')];
      const tau = ['--tau', '0.5']; // a given temperature wins over the server's calibration
      const remote = await runCli('client', 'score', ...address, DATA, ...tau, '-o', one);
      const local = await runCli(...LOCAL, ...tau, '-o', other);
      assert.equal(remote.code, 0, remote.stderr);
      assert.equal(remote.stdout, local.stdout);
      const [theirs, ours] = [one, other].map((file) => readSafetensors(file, readFileSync(file)).tensors);
      for (const name of ['energies', 'probabilities', 'ranking']) {
        assert.deepEqual(theirs?.get(name), ours?.get(name), name);
      }
    }));

  test('score without a temperature shows the probabilities of the calibration in force, and says so', async () => {
    const file = path.join(MODELS, 'tiny-reach/calibration.json');
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
    const table = await runCli('client', 'score', ...address, DATA, '--top', '1');
    assert.equal(table.code, 0, table.stderr);
    const [, tau] =
      new RegExp(`^calibrated: temperature (\\S+), version ${version}\n`).exec(table.stdout) ?? [];
    const json = await runCli('client', 'score', ...address, DATA, '--json');
    const answer = JSON.parse(json.stdout) as { tau: number; calibration_version: string };
    assert.equal(answer.calibration_version, version);
    assert.equal(answer.tau.toPrecision(4), tau);
    const local = await runCli(...LOCAL, '--top', '1');
    assert.equal(table.stdout, local.stdout, 'the same calibration, the same p-values');
    assert.match(table.stdout, /probability +p-value/);
    const raw = await runCli('client', 'score', ...address, DATA, '--top', '1', '--raw');
    assert.equal(raw.stdout, (await runCli(...LOCAL, '--top', '1', '--raw')).stdout);
    assert.doesNotMatch(raw.stdout, /calibrated|p-value/);
  });

  test('reload reads the bundle again, and names what is served then', async () => {
    const { code, stdout, stderr } = await runCli('client', 'reload', ...address, '--model', 'tiny-reach');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^tiny-reach: sha256 [0-9a-f]{12}, calibration [0-9a-f]{16}\n$/);
    assert.equal((await runCli('client', 'reload', ...address, '--model', 'nobody')).code, 3);
  });

  test('select prints what would be executed and why, as a table, JSON and a file', () =>
    withDirectory(async (directory) => {
      const file = path.join(directory, 'chosen.safetensors');
      const table = await runCli('client', 'select', ...address, DATA, '--rule', 'consensus', '-o', file);
      assert.equal(table.code, 0, table.stderr);
      assert.match(table.stdout, /candidate \d+ of 16 is the medoid/);
      const { tensors } = readSafetensors(file, readFileSync(file));
      assert.deepEqual(tensors.get('action')?.shape, [4, 8, 7]);
      const best = ['--rule', 'energy', '--ungated', '--json'];
      const json = await runCli('client', 'select', ...address, DATA, ...best);
      const { contexts } = JSON.parse(json.stdout) as {
        contexts: { candidate: number; energies: number[]; reason: string }[];
      };
      for (const { candidate, energies, reason } of contexts) {
        assert.equal(energies[candidate], Math.min(...energies));
        assert.match(reason, /has the lowest energy, without a gate$/);
      }
      const refine = [
        '--rule',
        'refine',
        '--ungated',
        '--steps',
        '2',
        '--step-length',
        '0.1',
        '--dims',
        '0,2',
      ];
      const moved = await runCli(
        'client',
        'select',
        ...address,
        DATA,
        ...refine,
        '--trust-radius',
        '0.05',
        '--json',
      );
      assert.equal(moved.code, 0, moved.stderr);
      const refined = JSON.parse(moved.stdout) as {
        contexts: {
          origin: string;
          refinement: { start_energy: number; energy: number; displacement: number };
        }[];
      };
      for (const { origin, refinement } of refined.contexts) {
        assert.equal(origin, 'refined');
        assert.ok(refinement.energy < refinement.start_energy);
        assert.ok(refinement.displacement <= 0.05 + 1e-7);
      }
      const gripper = await runCli('client', 'select', ...address, DATA, ...refine, '--dims', '6');
      assert.equal(gripper.code, 2);
      assert.match(gripper.stderr, /refinement\.dims\[0\].*never moves/);
      const wrong = await runCli('client', 'select', ...address, DATA, '--baseline', '16');
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, /baseline_index/);
    }));

  test('health tells the state by its exit code', async () => {
    const { code, stdout } = await runCli('client', 'health', ...address);
    assert.equal(code, 0);
    assert.match(stdout, /^server: SERVING\n[^]*tiny-reach \(default\) +READY +cross_attention/);
    assert.equal((await runCli('client', 'health', ...address, '--model', 'tiny-reach')).code, 0);
    assert.equal((await runCli('client', 'health', ...address, '--model', 'nobody')).code, 3);
    const nobody = await runCli('client', 'health', '--address', '127.0.0.1:1', '--deadline-ms', '3000');
    assert.equal(nobody.code, 4);
    assert.match(nobody.stderr, /^error: /);
  });

  for (const keep of [[], ['--keep-context']]) {
    test(`bench${keep.join(' ')} answers every call that was due`, async () => {
      const shape = ['--rate', '40', '--duration', '1', '--tokens', '20', '--candidates', '4'];
      const { code, stdout, stderr } = await runCli(
        'client',
        'bench',
        ...address,
        ...shape,
        ...keep,
        '--json',
      );
      assert.equal(code, 0, stderr);
      const report = JSON.parse(stdout) as Record<string, unknown> & { latency: Record<string, number> };
      assert.deepEqual([report['due'], report['answered'], report['errors']], [40, 40, {}]);
      assert.ok(report.latency['p50Ms']! > 0 && report.latency['p50Ms']! <= report.latency['maxMs']!);
    });
  }

  test('bench counts errors by kind and gives one of each', async () => {
    const { code, stdout } = await runCli(
      'client',
      'bench',
      ...address,
      '--tokens',
      '100000',
      '--rate',
      '5',
      '--duration',
      '1',
    );
    assert.equal(code, 4, 'nothing was answered');
    assert.match(
      stdout,
      /^0 of 5 calls answered, 0 refused\n[^]*invalid: 5, e\.g\. inline\.hidden\.shape\[0\]: too many tokens/,
    );
  });
});
