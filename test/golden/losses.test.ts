/** Energies of the engine, through the scoring of files and the losses, against the given golden vectors. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { compareCase } from './compare.js';

const DATA = path.join(import.meta.dirname, '../../../test/golden/data');
const cases = readdirSync(DATA)
  .filter((name) => name.endsWith('.json'))
  .map((name) => path.basename(name, '.json'));
assert.ok(cases.length >= 4, 'the golden vectors are there');

for (const name of cases) {
  test(`${name}: energies and losses of a scored file equal the golden vectors`, async (t) => {
    const differences = await compareCase(DATA, name);
    t.diagnostic(`largest difference ${Math.max(...differences.values()).toExponential(1)}`);
  });
}
