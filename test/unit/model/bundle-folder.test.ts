/** A bundle as a folder: written whole or not at all, never over what somebody else put there. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs, { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { loadBundle, saveBundle } from '../../../src/model/bundle.js';
import { weightValues } from '../../../src/model/weights.js';
import { GOLDEN_CASES, goldenModel, randomWeights, smallCard, withDirectory } from '../../support/bundles.js';
import { assertNames, faultText } from '../../support/fault-text.js';

for (const name of GOLDEN_CASES) {
  test(`a saved bundle loads as it was: ${name}`, () =>
    withDirectory(async (directory) => {
      const { card, weights } = goldenModel(name);
      const target = path.join(directory, 'models', name);
      const saved = await saveBundle(target, card, weights);
      const loaded = await loadBundle(target);
      assert.deepEqual(loaded.card, card);
      assert.equal(loaded.digest, saved.digest);
      const bytes = await readFile(path.join(target, 'weights.safetensors'));
      assert.equal(loaded.digest, createHash('sha256').update(bytes).digest('hex'));
      for (const key of weights.keys()) {
        assert.deepEqual(weightValues(loaded.weights, key), weightValues(weights, key));
      }
      assert.deepEqual(await readdir(path.join(directory, 'models')), [name]); // nothing temporary left
    }));
}

test('a folder that is missing or no bundle is not found, with the way to make one', () =>
  withDirectory(async (directory) => {
    const text = await faultText(() => loadBundle(path.join(directory, 'none')), 'not_found');
    assertNames(text, 'energy.json', 'action-energy import');
  }));

test('a bundle is not overwritten without force, and a folder that is none not even with it', () =>
  withDirectory(async (directory) => {
    const card = smallCard();
    const target = path.join(directory, 'm');
    const first = await saveBundle(target, card, randomWeights(card, 1));
    const other = randomWeights(card, 2);
    assertNames(await faultText(() => saveBundle(target, card, other), 'precondition'), '--force');
    assert.equal((await loadBundle(target)).digest, first.digest);
    const second = await saveBundle(target, card, other, { force: true });
    assert.notEqual(second.digest, first.digest);
    assert.equal((await loadBundle(target)).digest, second.digest);
    assert.deepEqual(await readdir(directory), ['m']);
    const home = path.join(directory, 'home');
    await mkdir(home);
    await writeFile(path.join(home, 'thesis.tex'), '');
    await faultText(() => saveBundle(home, card, other, { force: true }), 'precondition');
    assert.deepEqual(await readdir(home), ['thesis.tex']);
  }));

test('a bundle that cannot be replaced is still there, with what lay in it', async (t) => {
  await withDirectory(async (directory) => {
    const target = path.join(directory, 'model');
    const { card, weights } = goldenModel('cross_relu_sigmoid');
    await saveBundle(target, card, weights);
    await writeFile(path.join(target, 'calibration.json'), '{}');
    const real = fs.rename;
    let renames = 0;
    t.mock.method(fs, 'rename', async (from: string, to: string) => {
      if (++renames === 2) throw Object.assign(new Error('EIO: no second rename'), { code: 'EIO' });
      return real(from, to);
    });
    syncBuiltinESMExports();
    try {
      await assert.rejects(
        saveBundle(target, { ...card, tau: 0.25 }, weights, { force: true }),
        /no second rename/,
      );
    } finally {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    }
    assert.equal((await loadBundle(target)).card.tau, card.tau);
    assert.deepEqual((await readdir(target)).sort(), [
      'calibration.json',
      'energy.json',
      'weights.safetensors',
    ]);
    assert.deepEqual(await readdir(directory), ['model'], 'nothing left beside it');
  });
});

test('a bundle has the permissions that the umask leaves', async () => {
  await withDirectory(async (directory) => {
    const target = path.join(directory, 'model');
    const ordinary = path.join(directory, 'ordinary');
    const { card, weights } = goldenModel('cross_relu_sigmoid');
    await mkdir(ordinary);
    await writeFile(path.join(ordinary, 'file'), '');
    for (const force of [false, true]) {
      await saveBundle(target, card, weights, { force });
      assert.equal((await stat(target)).mode, (await stat(ordinary)).mode);
      for (const name of await readdir(target)) {
        assert.equal(
          (await stat(path.join(target, name))).mode,
          (await stat(path.join(ordinary, 'file'))).mode,
        );
      }
    }
  });
});
