/** `action-energy serve` as a process: signals, exit codes, --check and --help. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { test } from 'node:test';
import { contract } from '../../src/wire/contract.js';
import { withDirectory } from '../support/bundles.js';
import { call, goldenRequest, openClient, writeGoldenBundles } from '../support/service.js';

const MAIN = path.join(import.meta.dirname, '../../src/cli/main.js');
const CASE = 'cross_relu_sigmoid';
const FLAGS = [
  '--provider',
  'cpu',
  '--threads',
  '1',
  '--address',
  '127.0.0.1:0',
  '--metrics-address',
  'none',
];

interface LogLine {
  readonly msg?: string;
  readonly addresses?: readonly string[];
}

/** A serving process, and its log line by line. */
function serve(args: readonly string[]): { child: ChildProcess; next: (msg: string) => Promise<LogLine> } {
  const child = spawn(process.execPath, [MAIN, 'serve', ...FLAGS, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    async next(msg) {
      for (;;) {
        const { done, value } = (await lines.next()) as { done?: boolean; value: string };
        if (done === true) throw new Error(`the process ended before it logged: ${msg}`);
        const line = JSON.parse(value) as LogLine;
        if (line.msg === msg) return line;
      }
    },
  };
}

test('serves, reloads on SIGHUP, and ends with 0 on SIGTERM', () =>
  withDirectory(async (models) => {
    await writeGoldenBundles(models, [CASE]);
    const { child, next } = serve(['--models', models]);
    try {
      const { addresses = [] } = await next('serving');
      const client = openClient(addresses[0] ?? '');
      const request = goldenRequest(CASE);
      const before = await call(client, contract.energy.ScoreActions, request);
      child.kill('SIGHUP');
      await next('model ready');
      assert.deepEqual((await call(client, contract.energy.ScoreActions, request)).energies, before.energies);
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      assert.deepEqual(await exited, [0, null]);
      client.close();
    } finally {
      child.kill('SIGKILL');
    }
  }));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, 'serve', ...args], { encoding: 'utf8' });
}

test('--check reports every file that cannot be used, and 0 when all can', () =>
  withDirectory(async (models) => {
    await writeGoldenBundles(models, [CASE]);
    assert.deepEqual([run('--models', models, '--check').status], [0]);
    const bad = run(
      '--models',
      models,
      '--check',
      '--tokens-file',
      '/no/tokens',
      '--default-model',
      'nobody',
    );
    assert.equal(bad.status, 2);
    assert.match(bad.stderr, /\/no\/tokens[^]*nobody/);
  }));

test('wrong settings end with 2 and all problems', () => {
  const { status, stderr } = run('--max-tokens', 'many', '--address', '0.0.0.0:1', '--provider', 'abacus');
  assert.equal(status, 2);
  for (const expected of [/3 problems/, /max-tokens/, /provider/, /insecure-public/])
    assert.match(stderr, expected);
});

test('--help shows groups, defaults and examples', () => {
  const { status, stdout } = run('--help');
  assert.equal(status, 0);
  for (const text of ['Listening:', '[127.0.0.1:50051]', 'Examples:', 'SIGHUP', '--insecure-public']) {
    assert.ok(stdout.includes(text), text);
  }
});
