import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Fault, type FaultKind } from '../../../src/errors.js';
import { type Tensor } from '../../../src/tensor/tensor.js';
import { readCheckpoint, readTensors, stripWrapperPrefix } from '../../../src/weights/checkpoint.js';
import { MAX_WHOLE_FILE_BYTES } from '../../../src/weights/file.js';
import { openSafetensors, writeSafetensors } from '../../../src/weights/safetensors.js';
import { float32Bytes, smallCheckpoint } from '../../support/checkpoints.js';

const one: Tensor = { dtype: 'float32', shape: [1], bytes: float32Bytes(1) };
const named = (...names: string[]): Map<string, Tensor> => new Map(names.map((name) => [name, one]));

describe('wrapper prefixes', () => {
  const strip = (...names: string[]): string[] => [...stripWrapperPrefix('file', named(...names)).keys()];

  it('are stripped from each key that has them, in any order', () => {
    assert.deepEqual(strip('module.a', 'module.b'), ['a', 'b']);
    assert.deepEqual(strip('_orig_mod.a', '_orig_mod.b'), ['a', 'b']);
    assert.deepEqual(strip('_orig_mod.module.a', '_orig_mod.module.b'), ['a', 'b']);
    assert.deepEqual(strip('a.module.x', 'modules.b'), ['a.module.x', 'modules.b']);
    assert.deepEqual(strip(), []);
  });

  it('may stand on some keys only, but two keys never become one', () => {
    assert.deepEqual(strip('module.a', 'b', 'n_averaged'), ['a', 'b', 'n_averaged']);
    assert.deepEqual(strip('module._orig_mod.a', 'module.b'), ['a', 'b']);
    assert.throws(() => strip('module.a', 'a'), /two keys are one.*found module\.a and a/);
    assert.throws(() => strip('module.a', '_orig_mod.a'), /found module\.a and _orig_mod\.a/);
  });
});

describe('checkpoint files', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'checkpoint-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('are known by content, whatever their name', async () => {
    const path = join(folder, 'weights.bin');
    await writeFile(path, writeSafetensors(named('module.a')));
    assert.deepEqual([...(await readCheckpoint(path)).keys()], ['a']);
    assert.deepEqual([...(await readTensors(path)).keys()], ['module.a']);
    await writeFile(path, smallCheckpoint());
    assert.deepEqual([...(await readCheckpoint(path)).keys()], ['weight', 'transposed']);
  });

  const refused: [what: string, make: (path: string) => Promise<unknown>, kind: FaultKind, says: RegExp][] = [
    ['missing', async () => undefined, 'not_found', /no such file/],
    ['empty', (path) => writeFile(path, ''), 'invalid', /empty/],
    ['a directory', (path) => mkdir(path), 'invalid', /found a directory/],
    ['unreadable', (path) => symlink(path, path), 'precondition', /cannot be read; found ELOOP/],
    [
      'too large',
      async (path) => {
        await writeFile(path, '');
        await truncate(path, MAX_WHOLE_FILE_BYTES + 1);
      },
      'invalid',
      /too large/,
    ],
  ];
  for (const [what, make, kind, says] of refused) {
    it(`that are ${what} are refused by name`, async () => {
      const path = join(folder, `${what.replaceAll(' ', '-')}.pt`);
      await make(path);
      const check = (error: unknown): boolean => {
        assert.ok(error instanceof Fault);
        assert.equal(error.kind, kind);
        assert.equal(error.field, path);
        assert.match(error.message, says);
        return true;
      };
      await assert.rejects(readCheckpoint(path), check);
      await assert.rejects(readTensors(path), check);
      if (what !== 'too large') await assert.rejects(openSafetensors(path), check);
    });
  }
});
