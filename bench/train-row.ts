/**
 * One row of `bench:train`, in a process of its own so that its peak memory is its own: rounds of a step's loss and gradients and of
 * its bare products alternate. Prints one JSON object.
 */
import { performance } from 'node:perf_hooks';
import { gradientGraph } from '../src/energy/gradient-graph.js';
import { Tensor as OrtTensor } from '../src/engine/onnx-runtime.js';
import { AWAKE_US, float32, Runtime, type Program, type Tensors } from '../src/engine/runtime.js';
import { Graph } from '../src/graph/graph.js';
import { matmul } from '../src/graph/ops.js';
import { toFloat32 } from '../src/tensor/tensor.js';
import { benchModel, randomActions, randomFloats, REFERENCE_SIZE } from './random-model.js';
import { pause, quantile } from './statistics.js';

export interface TrainRow {
  readonly pairs: number;
  /** Lower quartile of the rounds, as is `bareMs`. */
  readonly stepMs: number;
  readonly bareMs: number;
  /** Before the bare products were made. */
  readonly peakMiB: number;
}

/** S 300 of which 30 are masked and never encoded. */
const TOKENS = 270;
/** Products of [T,h] by [h,h] that a step cannot do without: a block, K and V, each forward and twice backward. */
const SMALL_PRODUCTS = 9;

const [pairs = 8, rounds = 7, threads = 2] = process.argv.slice(2).map(Number);
const { stateDim: D, hidden: h, steps: H, actionDim: A } = REFERENCE_SIZE;
const T = pairs * TOKENS;
const runtime = new Runtime({ provider: 'cpu', threads, deviceId: 0 });
process.stdout.write(`${JSON.stringify(await measure())}\n`);

async function measure(): Promise<TrainRow> {
  const step = await trainingStep();
  await step();
  const peakMiB = process.resourceUsage().maxRSS / 1024;
  const bare = await bareProducts();
  await bare();
  const [stepMs, bareMs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    stepMs.push(await timed(step));
    await pause();
    bareMs.push(await timed(bare));
    await pause();
  }
  return { pairs, stepMs: quantile(stepMs, 0.25), bareMs: quantile(bareMs, 0.25), peakMiB };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await run();
  return performance.now() - startMs;
}

/** Swap InfoNCE and its gradient by every parameter. */
async function trainingStep(): Promise<() => Promise<Tensors>> {
  const { card, weights } = benchModel(REFERENCE_SIZE);
  const terms = [{ term: { kind: 'swap', tau: 0.5 }, weight: 1 }] as const;
  const { graph, parameters } = gradientGraph(card, terms, { pairs, steps: H });
  const program = await runtime.prepare(graph, AWAKE_US.LARGE);
  const feeds: Record<string, OrtTensor> = {
    hidden: float32(randomFloats(T * D, 1), [pairs, TOKENS, D]),
    pad_mask: new OrtTensor('bool', new Uint8Array(pairs * TOKENS), [pairs, TOKENS]),
    actions: float32(randomActions(REFERENCE_SIZE, pairs, 7), [pairs, H, A]),
  };
  for (const name of parameters) {
    const tensor = weights.get(name)!;
    feeds[name] = float32(toFloat32(name, tensor), tensor.shape);
  }
  return () => program.run(feeds);
}

/** Two products of [T,D] by [D,h] (the second is x^T y, as large) and nine of [T,h] by [h,h], and nothing else. */
async function bareProducts(): Promise<() => Promise<void>> {
  const program = async (rows: number, inner: number, columns: number): Promise<Program> => {
    const g = new Graph('bare');
    const x = g.input('x', 'float32', [rows, inner]);
    g.output('y', matmul(g, x, g.input('w', 'float32', [inner, columns])));
    return runtime.prepare(g, AWAKE_US.LARGE);
  };
  const values = randomFloats(T * D, 2);
  const matrix = (rows: number, columns: number): OrtTensor =>
    float32(values.subarray(0, rows * columns), [rows, columns]);
  const forward = await program(T, D, h);
  const backward = await program(D, T, h);
  const small = await program(T, h, h);
  return async () => {
    await forward.run({ x: matrix(T, D), w: matrix(D, h) });
    await backward.run({ x: matrix(D, T), w: matrix(T, h) });
    for (let i = 0; i < SMALL_PRODUCTS; i++) await small.run({ x: matrix(T, h), w: matrix(h, h) });
  };
}
