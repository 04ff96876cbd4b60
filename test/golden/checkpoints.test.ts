/** One model, every kind of checkpoint that holds it: imported, run, and held against the golden vectors. */
import { test } from 'node:test';
import { startEngine } from '../../src/engine/start.js';
import { bundleFromCheckpoint } from '../../src/model/declare.js';
import { readCheckpoint } from '../../src/weights/checkpoint.js';
import { goldenDeclared, goldenPath } from '../support/bundles.js';
import { checkGoldenCase } from '../support/golden-engine.js';

const CASE = 'cross_relu_sigmoid';
const EXACT = 2e-5;
/** The vectors are of the float32 weights; rounding those to 8 bits of mantissa moves raw values by up to about 0.01. */
const ROUNDED = 0.02;

for (const [suffix, tolerance] of [
  ['pt', EXACT],
  ['ddp.pt', EXACT],
  ['safetensors', EXACT],
  ['bf16.pt', ROUNDED],
] as const) {
  test(`${CASE}.weights.${suffix}: within ${tolerance}`, async (t) => {
    const tensors = await readCheckpoint(goldenPath(`${CASE}.weights.${suffix}`));
    const model = bundleFromCheckpoint(tensors, goldenDeclared(CASE), suffix);
    const engine = await startEngine(model, { provider: 'cpu', threads: 1 });
    t.after(() => engine.close());
    await checkGoldenCase(CASE, engine, false, tolerance);
  });
}
