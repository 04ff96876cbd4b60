/**
 * One row of `bench:train`, in a process of its own so that its peak memory is its own: rounds of a whole step, as `train` makes
 * it (loss and gradients, the norm's clip, AdamW), and of its bare products alternate. Prints one JSON object.
 */
import { performance } from 'node:perf_hooks';
import type { Tensor as OrtTensor } from '../src/engine/onnx-runtime.js';
import { AWAKE_US, float32, Runtime, type Program } from '../src/engine/runtime.js';
import { Graph } from '../src/graph/graph.js';
import { matmul } from '../src/graph/ops.js';
import { seededRandom } from '../src/random.js';
import { toFloat32 } from '../src/tensor/tensor.js';
import { adamwUpdate, clipFactor, freshState, globalNorm } from '../src/training/adamw.js';
import { TrainingStep } from '../src/training/step.js';
import { benchModel, randomActions, randomFloats, REFERENCE_SIZE } from './random-model.js';
import { pause, quantile } from './statistics.js';

export interface TrainRow {
  readonly pairs: number;
  /** Lower quartile of the rounds, as are the next two. */
  readonly stepMs: number;
  /** Of `stepMs`: clip and AdamW. */
  readonly updateMs: number;
  readonly bareMs: number;
  /** Resident set after the first steps, before the bare products were made. */
  readonly peakMiB: number;
}

const SIZE = { ...REFERENCE_SIZE, tokens: 300, masked: 30 };
/** Products of [T,h] by [h,h] that a step cannot do without: a block, K and V, each forward and twice backward. */
const SMALL_PRODUCTS = 9;
/** Steps before the peak is read: the runtime's memory has its final size after the second. */
const FIRST_STEPS = 3;
/** The defaults of `train`. */
const [TAU, DROPOUT, LEARNING_RATE, CLIP] = [0.5, 0.2, 5e-4, 1];

const [pairs = 8, rounds = 7, threads = 2] = process.argv.slice(2).map(Number);
const { stateDim: D, hidden: h, steps: H } = SIZE;
const T = pairs * (SIZE.tokens - SIZE.masked);
const runtime = new Runtime({ provider: 'cpu', threads, deviceId: 0 });
process.stdout.write(`${JSON.stringify(await measure())}\n`);

async function measure(): Promise<TrainRow> {
  const step = wholeStep();
  for (let i = 0; i < FIRST_STEPS; i++) await step();
  const peakMiB = process.resourceUsage().maxRSS / 1024;
  const bare = await bareProducts();
  await bare();
  const [stepMs, updateMs, bareMs]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    updateMs.push(await step());
    stepMs.push(performance.now() - startMs);
    await pause();
    const bareStartMs = performance.now();
    await bare();
    bareMs.push(performance.now() - bareStartMs);
    await pause();
  }
  const of = (values: readonly number[]): number => quantile(values, 0.25);
  return { pairs, stepMs: of(stepMs), updateMs: of(updateMs), bareMs: of(bareMs), peakMiB };
}

/** A step on the swap InfoNCE; resolves with the milliseconds of clip and AdamW. */
function wholeStep(): () => Promise<number> {
  const { card, weights } = benchModel(SIZE);
  const parameters = new Map([...weights].map(([name, tensor]) => [name, toFloat32(name, tensor)]));
  const shapes = new Map([...weights].map(([name, { shape }]) => [name, shape]));
  const terms = [{ term: { kind: 'swap', tau: TAU }, weight: 1 }] as const;
  const shape = { pairs, steps: H, dropout: DROPOUT };
  const training = new TrainingStep(runtime, card, terms, shape, parameters, shapes);
  const state = freshState(parameters);
  const batch = trainingBatch();
  return async () => {
    const { gradients } = await training.run(batch, seededRandom(state.updates));
    const startMs = performance.now();
    adamwUpdate(parameters, gradients, state, LEARNING_RATE, clipFactor(globalNorm(gradients), CLIP));
    return performance.now() - startMs;
  };
}

function trainingBatch(): Parameters<TrainingStep['run']>[0] {
  const { buffer } = randomFloats(T * D, 1);
  return {
    rows: Int32Array.from({ length: pairs }, (_, row) => row),
    tokens: {
      dtype: 'float32',
      bytes: new Uint8Array(buffer),
      padMask: new Uint8Array(T),
      tokens: T / pairs,
    },
    actions: randomActions(SIZE, pairs, 7),
    others: new Map(),
  };
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
