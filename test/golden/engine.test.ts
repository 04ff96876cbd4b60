/** The engine on the CPU against the golden vectors. */
import { test } from 'node:test';
import { startEngine } from '../../src/engine/start.js';
import { GOLDEN_CASES, goldenModel } from '../support/bundles.js';
import { checkGoldenCase } from '../support/golden-engine.js';

for (const name of GOLDEN_CASES) {
  test(`${name}: raw steps, energies and matrix`, async (t) => {
    const engine = await startEngine(goldenModel(name), { provider: 'cpu', threads: 2 });
    t.after(() => engine.close());
    await checkGoldenCase(name, engine);
  });
}
