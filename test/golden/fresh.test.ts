/**
 * The engine and the gradients against vectors that PyTorch makes for this very run: every architecture, activation and readout, ragged
 * masks, sizes drawn from a seed that is printed. `npm test` installs what the script needs (scripts/setup-tests.mjs); without it
 * the test says so and skips, except in CI, where it fails.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { compareGradients } from './compare-gradients.js';
import { findPython, PYTHON_SETUP, runGolden } from '../support/python.js';
import { compareCase } from './compare.js';

const GIVEN = path.join(import.meta.dirname, '../../../test/golden/data');

const KINDS = ['relu', 'silu'].flatMap((activation) =>
  ['sigmoid', 'softplus', 'linear', 'half_square'].map((readout) => `${activation}_${readout}`),
);
const CASES = [
  ...KINDS.flatMap((kind) => [`cross_${kind}`, `global_${kind}`]),
  'cross_relu_sigmoid_nomask',
  'cross_silu_linear_nomask',
  'cross_eps',
  'global_eps',
  'cross_no_action_norm',
  'cross_no_action_norm_learned',
  'cross_windowed_max',
  'global_learned',
  'global_windowed_max',
];

const python = findPython();
const runScript = (args: readonly string[]): string => runGolden(python!, 'make_golden.py', args);

if (python === undefined && process.env['CI'] === 'true') {
  test('PyTorch is installed', () => assert.fail(`no Python with torch: ${PYTHON_SETUP}`));
} else if (python === undefined) {
  process.stderr.write(
    `\n*** SKIPPED: no fresh golden vectors, no Python with torch: ${PYTHON_SETUP} ***\n\n`,
  );
  test('fresh golden vectors', { skip: `no Python with torch: ${PYTHON_SETUP}` }, () => undefined);
} else {
  test('the script reproduces the given golden vectors', () => {
    const printed = runScript(['--check', GIVEN]);
    assert.match(printed, /cross_relu_sigmoid: 147 values/);
  });

  test('the engine and the gradients agree with fresh golden vectors', async (t) => {
    const seed = randomInt(1_000_000);
    const heads = 2 ** (1 + (seed % 3)); // 2, 4 or 8
    const sizes = {
      seed,
      heads,
      hidden: heads * (4 + 2 * (seed % 5)),
      batch: 2 + (seed % 4),
      tokens: 3 + (seed % 31),
      steps: 1 + (seed % 12),
      'state-dim': 8 + (seed % 57),
      'action-dim': 3 + (seed % 12),
      layers: seed % 4,
    };
    t.diagnostic(`sizes ${JSON.stringify(sizes)}`);
    const directory = mkdtempSync(path.join(tmpdir(), 'action-energy-golden-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const flags = Object.entries(sizes).flatMap(([name, size]) => [`--${name}`, String(size)]);
    runScript(['--out', directory, ...CASES.flatMap((name) => ['--case', name]), ...flags]);
    const cases = readdirSync(directory).filter((name) => name.endsWith('.json'));
    assert.equal(cases.length, CASES.length);
    let worst = 0;
    let worstGradient = 0;
    for (const file of cases) {
      const name = path.basename(file, '.json');
      const differences = await compareCase(directory, name);
      worst = Math.max(worst, ...differences.values());
      worstGradient = Math.max(worstGradient, ...(await compareGradients(directory, name)).values());
    }
    t.diagnostic(`${cases.length} cases, largest difference ${worst.toExponential(1)}`);
    t.diagnostic(`gradients, largest relative difference ${worstGradient.toExponential(1)}`);
  });
}
