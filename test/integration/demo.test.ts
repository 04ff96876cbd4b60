/** `npm run make:demo` in miniature: the same seed gives the same bundle, byte for byte. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { trainModel } from '../../demo/train-model.js';
import { loadBundle } from '../../src/model/bundle.js';
import { withDirectory } from '../support/bundles.js';

const SIZES = { rows: 72, candidates: 3, updates: 3, rankUpdates: 2 };

test('the same seed gives the same bundle, a model trained blind another', () =>
  withDirectory(async (directory) => {
    const make = async (name: string, seed: number, isBlind = false): Promise<Buffer> => {
      const common = { name: 'tiny', sizes: SIZES, output: 'ignore' } as const;
      const bundle = await trainModel({
        ...common,
        seed,
        isBlind,
        directory: path.join(directory, name),
      });
      const { card } = await loadBundle(bundle);
      assert.deepEqual([card.name, card.chunk, card.action_dim], ['tiny', 8, 7]);
      const files = ['energy.json', 'weights.safetensors'].map((file) => readFile(path.join(bundle, file)));
      return Buffer.concat(await Promise.all(files));
    };
    const wanted = await make('one', 1);
    assert.ok(wanted.equals(await make('two', 1)));
    assert.ok(!wanted.equals(await make('blind', 1, true)));
  }));
