/** Long work: Ctrl-C in it, and what is found before it begins. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { withDirectory } from '../support/bundles.js';

const ROOT = path.join(import.meta.dirname, '../../..');

test('an interrupted import says that nothing was written, and ends with 130', () =>
  withDirectory(async (directory) => {
    const args = ['import', 'models/tiny-reach/weights.safetensors', '-o', path.join(directory, 'm')];
    args.push('--heads', '4', '--activation', 'relu', '--readout', 'sigmoid');
    args.push('--data', 'models/examples/tiny-reach-calibration.safetensors');
    const child = spawn(process.execPath, [path.join(ROOT, 'dist/src/cli/main.js'), ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    const exited = once(child, 'exit');
    child.stderr.on('data', (part: Buffer) => {
      if (stderr === '') child.kill('SIGINT'); // its first word: the work has begun
      stderr += part.toString();
    });
    const [code] = (await exited) as [number | null];
    assert.equal(code, 130, stderr);
    assert.match(stderr, /^trying as declared\n[^]*interrupted: nothing was written to .*m\n$/);
    assert.deepEqual(await readdir(directory), []);
  }));

test('a folder that is missing is found before the data are read', () =>
  withDirectory(async (directory) => {
    const file = path.join(directory, 'missing', 'calibration.json');
    for (const [command, flag] of [
      ['calibrate', '-o'],
      ['calibrate', '--html'],
      ['evaluate', '--html'],
    ] as const) {
      const args = [command, 'models/tiny-reach', 'no-such-data.safetensors', flag, file];
      const child = spawn(process.execPath, [path.join(ROOT, 'dist/src/cli/main.js'), ...args], {
        cwd: ROOT,
      });
      let stderr = '';
      child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
      const [code] = (await once(child, 'close')) as [number | null];
      assert.equal(code, 3, stderr);
      assert.match(stderr, /calibration\.json: cannot be written\n {2}found: {2}ENOENT/);
    }
  }));
