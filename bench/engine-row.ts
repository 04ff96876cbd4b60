/**
 * One row of `bench:engine`, in a process of its own so that its peak memory is its own. Rounds of our engine and of a
 * bare matrix product of the same FLOPs alternate; the replicated single graph runs afterwards, on the same number of
 * threads, because its memory would hide ours. Prints one JSON object.
 */
import { performance } from 'node:perf_hooks';
import { Tensor as OrtTensor } from '../src/engine/onnx-runtime.js';
import { singleGraph } from '../src/energy/exported-graphs.js';
import { valueOf, type EngineBatch } from '../src/engine/engine.js';
import { Runtime } from '../src/engine/runtime.js';
import { startEngine } from '../src/engine/start.js';
import { Graph } from '../src/graph/graph.js';
import { matmul } from '../src/graph/ops.js';
import { engineRows, type EngineRow } from './engine-rows.js';
import { benchModel, randomActions, randomContext, randomFloats, REFERENCE_SIZE } from './random-model.js';
import { pause, quantile } from './statistics.js';
import { toFloat32 } from '../src/tensor/tensor.js';

export interface RowResult {
  readonly name: string;
  /** Lower quartile of the rounds, as is `bareMs`. */
  readonly engineMs: number;
  /** `engineMs / bareMs`. */
  readonly overBare: number;
  readonly bareMs: number;
  readonly gflops: number;
  readonly peakMiB: number;
  readonly replicatedMs?: number;
  readonly speedup?: number;
  readonly replicatedPeakMiB?: number;
}

/** Rows of the replicated model in one run: 64 x 600 tokens x 4096 floats are 600 MiB before any activation. */
const REPLICATED_ROWS_PER_RUN = 64;
const BARE_WIDTH = 512;

const size = REFERENCE_SIZE;
const [rowName = '', rounds = '15', threads = '2'] = process.argv.slice(2);
const row = engineRows(size).find(({ name }) => name === rowName);
if (!row) throw new Error(`no row ${rowName}`);
process.stdout.write(`${JSON.stringify(await measure(row, Number(rounds), Number(threads)))}\n`);

/** Lower quartile: what a round takes when nothing else has the machine. */
function quietMs(rounds: readonly number[]): number {
  return quantile(rounds, 0.25);
}

function runtimeOf(threads: number): Runtime {
  return new Runtime({ provider: 'cpu', threads, deviceId: 0 });
}

function peakMiB(): number {
  return process.resourceUsage().maxRSS / 1024;
}

async function measure(row: EngineRow, rounds: number, threads: number): Promise<RowResult> {
  const { card, weights } = benchModel(size);
  const engine = await startEngine({ card, weights }, { provider: 'cpu', threads });
  const bare = await bareProduct(row.macs, threads);
  const runEngine = async (batch: EngineBatch): Promise<number> => {
    const { encoded, scored, encodeMs, scoreMs } = await engine.run(batch);
    for (const outcome of [...encoded, ...scored]) valueOf<unknown>(outcome);
    return encodeMs + scoreMs;
  };
  const batches = row.batches();
  const runAll = async (): Promise<number> => {
    let ms = 0;
    for (const batch of batches) ms += await runEngine(batch);
    return ms;
  };
  await runEngine(row.prepare());
  await runAll();
  await bare();
  const engineMs: number[] = [];
  const bareMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    engineMs.push(await runAll());
    await pause(); // the other pool's threads stop spinning
    bareMs.push(await bare());
    await pause();
  }
  await engine.close();
  const result = {
    name: row.name,
    engineMs: quietMs(engineMs),
    bareMs: quietMs(bareMs),
    overBare: quietMs(engineMs) / quietMs(bareMs),
    gflops: (2 * row.macs) / quietMs(engineMs) / 1e6,
    peakMiB: peakMiB(),
  };
  if (!row.replicated) return result;
  const replicatedMs = await replicated(row.replicated, threads);
  return { ...result, replicatedMs, speedup: replicatedMs / result.engineMs, replicatedPeakMiB: peakMiB() };
}

/** A run of x [rows, K] W [K, 512] with as many multiply-adds; K is D when there is an encoder's work, else h. */
async function bareProduct(macs: number, threads: number): Promise<() => Promise<number>> {
  const inner = macs > 1e9 ? size.stateDim : size.hidden;
  const rows = Math.max(1, Math.round(macs / (inner * BARE_WIDTH)));
  const g = new Graph('bare');
  const w = g.constant('w', [inner, BARE_WIDTH], randomFloats(inner * BARE_WIDTH, 1));
  g.output('y', matmul(g, g.input('x', 'float32', ['M', inner]), w));
  const session = await runtimeOf(threads).prepare(g);
  const x = new OrtTensor('float32', randomFloats(rows * inner, 2), [rows, inner]);
  return async () => {
    const startMs = performance.now();
    await session.run({ x });
    return performance.now() - startMs;
  };
}

/** Milliseconds of the report's way: every pair its own copy of the context, through the exported single graph. */
async function replicated(pairs: NonNullable<EngineRow['replicated']>, threads: number): Promise<number> {
  const { card, weights } = benchModel(size);
  const session = await runtimeOf(threads).prepare(singleGraph(card, weights, size.steps));
  const contexts = Array.from({ length: pairs.contexts }, (_, i) =>
    toFloat32('hidden', randomContext(size, 'bfloat16', i + 1)),
  );
  const actions = randomActions(size, pairs.candidates, 7);
  const mask = new Uint8Array(size.tokens).fill(1, size.tokens - size.masked);
  const all = contexts.flatMap((_, c) => Array.from({ length: pairs.candidates }, (_, a) => [c, a] as const));
  const chunk = size.steps * size.actionDim;
  const run = async (from: number): Promise<number> => {
    const part = all.slice(from, from + REPLICATED_ROWS_PER_RUN);
    const hidden = new Float32Array(part.length * size.tokens * size.stateDim);
    const chunks = new Float32Array(part.length * chunk);
    const masks = new Uint8Array(part.length * size.tokens);
    for (const [row, [c, a]] of part.entries()) {
      hidden.set(contexts[c]!, row * size.tokens * size.stateDim);
      chunks.set(actions.subarray(a * chunk, (a + 1) * chunk), row * chunk);
      masks.set(mask, row * size.tokens);
    }
    const feeds = {
      hidden: new OrtTensor('float32', hidden, [part.length, size.tokens, size.stateDim]),
      actions: new OrtTensor('float32', chunks, [part.length, size.steps, size.actionDim]),
      pad_mask: new OrtTensor('bool', masks, [part.length, size.tokens]),
    };
    const startMs = performance.now(); // the copies are not charged to it
    await session.run(feeds);
    return performance.now() - startMs;
  };
  if (all.length <= 8) await run(0);
  let total = 0;
  for (let from = 0; from < all.length; from += REPLICATED_ROWS_PER_RUN) total += await run(from);
  return total;
}
