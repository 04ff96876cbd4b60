/** `action-energy serve` as a process: signals, exit codes, --check and --help. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
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
function serve(
  args: readonly string[],
  nodeArgs: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): { child: ChildProcess; next: (msg: string) => Promise<LogLine> } {
  const child = spawn(process.execPath, [...nodeArgs, MAIN, 'serve', ...FLAGS, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
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

/**
 * Both in the main thread and in workers: a file of a dead disk that is being read, and an engine that ends never. It hears no
 * message before the engine does: a listener of its own would start the port, and the first message would be lost.
 */
const HANGS = `
  import fs from 'node:fs';
  import { isMainThread, parentPort } from 'node:worker_threads';
  if (isMainThread) fs.readFile(process.env.HANGING_PIPE, () => undefined);
  else if (parentPort) {
    const on = parentPort.on.bind(parentPort);
    const hangs = (listener) => (message) => {
      if (message.type === 'close') for (;;);
      listener(message);
    };
    parentPort.on = (name, listener) => on(name, name === 'message' ? hangs(listener) : listener);
  }
`;

test(
  'SIGTERM ends a process in which an engine and a reading hang',
  { skip: process.platform === 'win32' },
  () =>
    withDirectory(async (directory) => {
      const models = path.join(directory, 'models');
      await writeGoldenBundles(models, [CASE]);
      const pipe = path.join(directory, 'pipe');
      execFileSync('mkfifo', [pipe]);
      const hanging = `data:text/javascript,${encodeURIComponent(HANGS)}`;
      const { child, next } = serve(['--models', models, '--drain-ms', '100'], ['--import', hanging], {
        HANGING_PIPE: pipe,
      });
      try {
        await next('serving');
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await next('not stopped in time: something hangs');
        assert.deepEqual(await exited, [null, 'SIGKILL']);
      } finally {
        child.kill('SIGKILL');
      }
    }),
);

const FREE = ['--address', '127.0.0.1:0', '--metrics-address', 'none'];

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, 'serve', ...args], { encoding: 'utf8' });
}

test('--check reports every file that cannot be used, and 0 when all can', () =>
  withDirectory(async (models) => {
    await writeGoldenBundles(models, [CASE]);
    assert.deepEqual([run('--models', models, ...FREE, '--check').status], [0]);
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

test('addresses that are taken are told by --check and by a start alike, and no library says anything beside', () =>
  withDirectory(async (models) => {
    await writeGoldenBundles(models, [CASE]);
    const taken = [createServer(), createServer()];
    const [address, metrics] = await Promise.all(
      taken.map(async (server) => {
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        return `127.0.0.1:${(server.address() as AddressInfo).port}`;
      }),
    );
    try {
      const flags = ['--models', models, '--address', address!, '--metrics-address', metrics!];
      for (const more of [['--check'], []]) {
        const { status, stderr, stdout } = run(...flags, ...more);
        assert.equal(status, 2);
        assert.equal(stdout, '');
        assert.match(stderr, /\(--address\)[^\n]* choose another with --address\n[^\n]*--metrics-address/);
        assert.ok(stderr.trim().split('\n').length <= 3, stderr);
      }
    } finally {
      for (const server of taken) server.close();
    }
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
