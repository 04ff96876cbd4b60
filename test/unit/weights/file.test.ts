/** Files that are none: reading them is refused, and never waits. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { Fault } from '../../../src/errors.js';
import { loadCalibration } from '../../../src/calibration/store.js';
import { loadBundle, saveBundle } from '../../../src/model/bundle.js';
import { readTextSync, readWholeFile } from '../../../src/weights/file.js';
import { makeFolder } from '../../../src/weights/folder.js';
import { goldenModel, withDirectory } from '../../support/bundles.js';

const windows = process.platform === 'win32' ? 'no pipes in folders there' : false;

/** What a file may be that is none, by what an error calls it; each of them also behind a link. */
async function specialFiles(directory: string): Promise<[file: string, found: RegExp][]> {
  const at = (name: string): string => path.join(directory, name);
  execFileSync('mkfifo', [at('pipe')]);
  await mkdir(at('folder'));
  const special: [string, RegExp][] = [
    [at('pipe'), /a device, pipe or socket/],
    [at('folder'), /a directory/],
    ['/dev/zero', /a device, pipe or socket/],
  ];
  for (const [file, found] of [...special]) {
    const link = at(`to-${path.basename(file)}`);
    await symlink(file, link);
    special.push([link, found]);
  }
  return special;
}

test('pipes, devices, folders and links to them are refused by name, at once', { skip: windows }, () =>
  withDirectory(async (directory) => {
    for (const [file, found] of await specialFiles(directory)) {
      await assert.rejects(readWholeFile(file), {
        kind: 'invalid',
        field: file,
        summary: 'not a file',
        found,
      });
      assert.throws(() => readTextSync(file, 9), { kind: 'invalid', field: file, found });
    }
    const socket = path.join(directory, 'socket');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    await assert.rejects(readWholeFile(socket), { kind: 'invalid', found: /socket/ });
    server.close();
  }),
);

test('each part of a bundle must be a file', { skip: windows }, () =>
  withDirectory(async (directory) => {
    const { card, weights } = goldenModel('cross_relu_sigmoid');
    const special = await specialFiles(directory);
    for (const [i, [file]] of special.entries()) {
      for (const part of ['energy.json', 'weights.safetensors', 'calibration.json']) {
        const bundle = path.join(directory, `${part}-${i}`);
        const { digest } = await saveBundle(bundle, card, weights);
        const target = path.join(bundle, part);
        execFileSync('rm', ['-f', target]);
        await symlink(file, target);
        const reading = part === 'calibration.json' ? loadCalibration(bundle, digest) : loadBundle(bundle);
        await assert.rejects(reading, { kind: 'invalid', field: target, summary: 'not a file' });
      }
    }
  }),
);

test('what is too long is refused before it is read', () =>
  withDirectory(async (directory) => {
    const file = path.join(directory, 'file');
    await writeFile(file, 'x'.repeat(10));
    assert.equal(new TextDecoder().decode(await readWholeFile(file, { maxBytes: 10 })), 'x'.repeat(10));
    await assert.rejects(readWholeFile(file, { maxBytes: 9 }), /found 10 bytes; wanted at most 9/);
    assert.equal(readTextSync(file, 10), 'x'.repeat(10));
    assert.throws(() => readTextSync(file, 9), /found 10 bytes; wanted at most 9/);
    await writeFile(file, '');
    assert.equal(readTextSync(file, 9), '');
    await assert.rejects(readWholeFile(file), /the file is empty/);
  }));

test('a card is bounded, and so are its keys and its depth', () =>
  withDirectory(async (directory) => {
    const { card, weights } = goldenModel('cross_relu_sigmoid');
    const bundle = path.join(directory, 'bundle');
    await saveBundle(bundle, card, weights);
    const text = JSON.stringify(card);
    for (const [bad, expected] of [
      [text.replace('{', '{"heads": 1, '), /energy\.json: a key occurs twice; found "heads"/],
      [text.replace('"kind":', '"kind":"sum","kind":'), /a key occurs twice; found "kind"/],
      [text.replace('{', `{"a": ${'['.repeat(5000)}${']'.repeat(5000)}, `), /nested too deeply/],
      [text + ' '.repeat(2 ** 20), /too large/],
    ] as const) {
      await writeFile(path.join(bundle, 'energy.json'), bad);
      await assert.rejects(loadBundle(bundle), (error) => {
        assert.ok(error instanceof Fault && error.kind === 'invalid');
        assert.match(error.message, expected);
        assert.ok(error.message.length < 2000);
        return true;
      });
    }
  }));

test('a reading is given up with the reason of its signal', () =>
  withDirectory(async (directory) => {
    const { card, weights } = goldenModel('cross_relu_sigmoid');
    await saveBundle(path.join(directory, 'bundle'), card, weights);
    const reason = new Fault('unavailable', 'the server is stopping');
    await assert.rejects(loadBundle(path.join(directory, 'bundle'), AbortSignal.abort(reason)), reason);
  }));

test('folders are made with their parents; where none can be, that is an error', { skip: windows }, () =>
  withDirectory(async (directory) => {
    const deep = path.join(directory, 'a', 'b', 'c');
    await makeFolder(deep);
    await makeFolder(deep);
    await writeFile(path.join(deep, 'file'), 'x');
    await assert.rejects(makeFolder(path.join(deep, 'file', 'd')), { code: 'ENOTDIR' });
    await assert.rejects(makeFolder('/proc/action-energy/x'), { code: 'ENOENT' });
  }),
);
