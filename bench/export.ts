/**
 * `npm run bench:export [-- --threads 2 --rounds 3]`: the exported graphs, plain and `--ranking`, on N chunks of one context (S 600 with 60
 * masked, D 4096, h 512). Plain gets the context N times, as its users must give it; the copies are not charged to it.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { rankingGraph, singleGraph } from '../src/energy/exported-graphs.js';
import { Tensor as OrtTensor } from '../src/engine/onnx-runtime.js';
import { AWAKE_US, float32, Runtime, type Program, type Tensors } from '../src/engine/runtime.js';
import { benchModel, randomActions, randomFloats, REFERENCE_SIZE } from './random-model.js';
import { pause } from './statistics.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({
  options: { threads: { type: 'string', default: '2' }, rounds: { type: 'string', default: '3' } },
});
const { tokens: S, masked, stateDim: D, steps: H, actionDim: A } = REFERENCE_SIZE;
const { card, weights } = benchModel(REFERENCE_SIZE);
const runtime = new Runtime({ provider: 'cpu', threads: Number(flags.threads), deviceId: 0 });
const plain = await runtime.prepare(singleGraph(card, weights, H), AWAKE_US.LARGE);
const ranking = await runtime.prepare(rankingGraph(card, weights, H), AWAKE_US.LARGE);
const hidden = randomFloats(S * D, 1);
const mask = new Uint8Array(S).fill(1, S - masked);

/** The quickest of the rounds, and the energies. */
async function measured(program: Program, feeds: Tensors): Promise<{ ms: number; energy: Float32Array }> {
  let ms = Infinity;
  let energy = new Float32Array(0);
  for (let round = 0; round < Number(flags.rounds); round++) {
    const startMs = performance.now();
    const results = await program.run(feeds);
    ms = Math.min(ms, performance.now() - startMs);
    energy = results['energy']!.data as Float32Array<ArrayBuffer>;
    await pause();
  }
  return { ms, energy };
}

const rows: string[][] = [];
for (const N of [16, 64]) {
  const actions = float32(randomActions(REFERENCE_SIZE, N, 7), [N, H, A]);
  const copies = new Float32Array(N * hidden.length);
  const masks = new Uint8Array(N * S);
  for (let n = 0; n < N; n++) {
    copies.set(hidden, n * hidden.length);
    masks.set(mask, n * S);
  }
  const one = await measured(ranking, {
    hidden: float32(hidden, [S, D]),
    actions,
    pad_mask: new OrtTensor('bool', mask, [S]),
  });
  const many = await measured(plain, {
    hidden: float32(copies, [N, S, D]),
    actions,
    pad_mask: new OrtTensor('bool', masks, [N, S]),
  });
  const apart = one.energy.reduce((most, energy, n) => Math.max(most, Math.abs(energy - many.energy[n]!)), 0);
  rows.push([
    `N ${N}`,
    one.ms.toFixed(1),
    many.ms.toFixed(1),
    `${(many.ms / one.ms).toFixed(1)} x`,
    apart.toExponential(0),
  ]);
}
await runtime.release();
const header = ['chunks', 'ranking ms', 'plain ms', 'quicker', 'largest difference of energies'];
process.stdout.write(`${markdownTable(header, rows)}\n`);
