/** Losses and their gradients against the given golden vectors, first and second order. */
import { test } from 'node:test';
import { GOLDEN_CASES, goldenPath } from '../support/bundles.js';
import { compareGradients } from './compare-gradients.js';

for (const name of GOLDEN_CASES) {
  test(`${name}: gradients by parameters and actions`, async (t) => {
    const worst = await compareGradients(goldenPath('.'), name);
    for (const [what, difference] of worst) t.diagnostic(`${what}: ${difference.toExponential(1)}`);
  });
}
