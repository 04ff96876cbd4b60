/**
 * What our processes say to the world, seen from outside (strace): no packet to another host, no file written but those that
 * they were told to write. onnxruntime-node's telemetry does both when it is on.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MODELS, SERVE_BUNDLED } from '../support/load.js';

const at = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const MAIN = at('src/cli/main.js');
const EXAMPLE = path.join(MODELS, 'examples/tiny-reach.safetensors');
const TIME_LIMIT_MS = 120_000;
const SYSCALLS =
  'connect,sendto,sendmsg,sendmmsg,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat';

function hasStrace(): boolean {
  try {
    execFileSync('strace', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const missing = hasStrace()
  ? false
  : 'THE SILENCE OF OUR PROCESSES IS NOT TESTED HERE: apt-get install strace';
// The project's own check installs it, so there a missing one is a failure and not a skip.
const required = process.env['CI'] === 'true';

/** Lines of the trace that reach another host, or write a file outside `allowed`. */
function loud(trace: string, allowed: readonly string[]): string[] {
  return trace.split('\n').filter((line) => {
    const [, host] = /sin6?_addr[^"]*"([^"]+)"/.exec(line) ?? [];
    if (host !== undefined) return !/^(127\.|::1$|::ffff:127\.)/.test(host);
    const writes = /O_WRONLY|O_RDWR|O_CREAT|^\d+ +(creat|mkdir|rename|link|symlink)/.test(line);
    const [, file] = /"([^"]+)"/.exec(line) ?? [];
    return writes && file !== undefined && !allowed.some((prefix) => file.startsWith(prefix));
  });
}

const CASES: readonly { name: string; args: readonly string[]; until?: RegExp }[] = [
  { name: 'score', args: [MAIN, 'score', path.join(MODELS, 'tiny-reach'), EXAMPLE, '--json'] },
  {
    name: 'serve',
    args: [MAIN, 'serve', '--address', '127.0.0.1:0', '--metrics-address', '127.0.0.1:0', ...SERVE_BUNDLED],
    until: /"msg":"serving"/,
  },
  // tests and benches run sessions in their main thread
  { name: 'a test', args: [at('test/unit/graph/rewrite.test.js')] },
];

for (const { name, args, until } of CASES) {
  test(
    `${name}: no packet to another host, no file outside the configuration`,
    {
      skip: required ? false : missing,
    },
    async () => {
      assert.equal(missing, false);
      const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-quiet-'));
      try {
        const log = path.join(directory, 'trace');
        const home = path.join(directory, 'home');
        // -D: the process that is started is the traced one, so that it gets the signals
        const command = [
          '-D',
          '-f',
          '-qq',
          '-s',
          '256',
          '-e',
          `trace=${SYSCALLS}`,
          '-o',
          log,
          process.execPath,
        ];
        const running = promisify(execFile)('strace', [...command, ...args], {
          env: { ...process.env, HOME: home, XDG_CACHE_HOME: home, TMPDIR: home },
          timeout: TIME_LIMIT_MS,
        });
        if (until) {
          running.child.stdout?.on('data', (text: string) => {
            if (until.test(text)) running.child.kill('SIGTERM');
          });
        }
        const { stdout } = await running;
        if (until) assert.match(stdout, until);
        const trace = await readFile(log, 'utf8');
        assert.match(trace, /libonnxruntime/, 'the library was loaded under the trace');
        assert.deepEqual(loud(trace, ['/dev/', '/proc/', '/sys/']), []);
      } finally {
        await rm(directory, { recursive: true });
      }
    },
  );
}
