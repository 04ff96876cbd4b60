/** docs/loop.md, command by command: serve, record, train, calibrate, reload, on the bundled model and its task. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, symlink } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadBundle } from '../../src/model/bundle.js';
import { withDirectory } from '../support/bundles.js';
import { startServerProcess } from '../support/server-process.js';
import { until } from '../support/service.js';

const ROOT = path.join(import.meta.dirname, '../../..');
const TIME_LIMIT_MS = 120_000;

/** The commands of the page in order, each as it stands there. */
async function commandsOfPage(): Promise<string[]> {
  const page = await readFile(path.join(ROOT, 'docs', 'loop.md'), 'utf8');
  return [...page.matchAll(/^```sh\n([^]*?)^```/gm)].flatMap(([, block]) => block!.trim().split('\n'));
}

test('the page of the loop runs, and the answers change their version', () =>
  withDirectory(async (directory) => {
    await symlink(path.join(ROOT, 'models'), path.join(directory, 'models'));
    const commands = await commandsOfPage();
    const serve = commands.findIndex((command) => command.startsWith('action-energy serve '));
    const robot = commands.findIndex((command) => command.includes('demo:robot'));
    assert.ok(serve > 0 && robot === serve + 1 && commands.length > robot + 3);

    const run = async (command: string, address = ''): Promise<string> => {
      const shell = [
        'set -e',
        `action-energy() { if [ "$1" = client ]; then set -- "$@" --address '${address}'; fi; '${process.execPath}' '${ROOT}/dist/src/cli/main.js' "$@"; }`,
        `npm() { shift 4; '${process.execPath}' '${ROOT}/dist/demo/robot.js' "$@" --address '${address}'; }`,
        command,
      ].join('\n');
      const { stdout } = await promisify(execFile)('bash', ['-c', shell], {
        cwd: directory,
        timeout: TIME_LIMIT_MS,
      });
      return stdout;
    };

    for (const command of commands.slice(0, serve)) await run(command);
    const flags = commands[serve]!.split(' ').slice(2);
    const places = flags.map((flag) => (flag.startsWith('loop/') ? path.join(directory, flag) : flag));
    const server = await startServerProcess([...places, '--provider', 'cpu', '--threads', '1']);
    try {
      const played = await run(commands[robot]!, server.address);
      const { digest: first } = await loadBundle(path.join(directory, 'loop/versions/1'));
      assert.match(played, /\d+ of 20 episodes succeeded/);
      assert.match(played, new RegExp(`^model: ${first.slice(0, 12)}, calibration [0-9a-f]{16}$`, 'm'));
      await until(async () => (await shards(directory)) >= 2);

      let reloaded = '';
      for (const command of commands.slice(robot + 1)) reloaded = await run(command, server.address);
      const { digest: second } = await loadBundle(path.join(directory, 'loop/versions/2'));
      assert.notEqual(second, first);
      assert.match(
        reloaded,
        new RegExp(`^tiny-reach: sha256 ${second.slice(0, 12)}, calibration [0-9a-f]{16}$`, 'm'),
      );

      const again = await run(commands[robot]!.replace(/20$/, '2'), server.address);
      assert.match(again, new RegExp(`^model: ${second.slice(0, 12)}, calibration [0-9a-f]{16}$`, 'm'));
    } finally {
      await server.stop();
    }
  }));

/** Shards of the one data set that is recorded; a shard holds 32 decisions. */
async function shards(directory: string): Promise<number> {
  const sets = path.join(directory, 'loop/recorded/tiny-reach');
  const [name] = await readdir(sets).catch(() => []);
  if (name === undefined) return 0;
  return (await readdir(path.join(sets, name))).filter((file) => file.startsWith('shard-')).length;
}
