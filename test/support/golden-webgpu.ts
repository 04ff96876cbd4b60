/** Prints each golden case that passed on WebGPU, then what `auto` chose; a process of its own, see webgpu.test.ts. */
import { startEngine } from '../../src/engine/start.js';
import { GOLDEN_CASES, goldenModel } from './bundles.js';
import { checkGoldenCase } from './golden-engine.js';

for (const name of GOLDEN_CASES) {
  const engine = await startEngine(goldenModel(name), { provider: 'webgpu', threads: 2 });
  try {
    // Every new shape is a shader to compile in software, so one case shows that sharing a batch changes nothing.
    await checkGoldenCase(name, engine, name === GOLDEN_CASES[0]);
    process.stdout.write(`${engine.info.provider} ${name}\n`);
  } finally {
    await engine.close();
  }
}

const engine = await startEngine(goldenModel('global_silu_half_square'), { provider: 'auto', threads: 2 });
const refused = engine.info.refused.map(({ provider, reason }) => `${provider}: ${reason}`);
process.stdout.write(`auto ${[engine.info.provider, ...refused].join(' | ')}\n`);
await engine.close();
