/**
 * ONNX Runtime on one device: any `Graph` becomes a program, and the program runs. It knows nothing of energy models; what
 * scores (`sessions.ts`), differentiates or trains stands on top of it. A run blocks the thread that calls it, so whoever
 * serves clients keeps a runtime in a worker.
 */
import { InferenceSession, Tensor as OrtTensor } from './onnx-runtime.js';
import type { Graph } from '../graph/graph.js';
import { writeOnnx } from '../graph/onnx.js';
import type { Provider } from './engine.js';

export interface RuntimeDevice {
  readonly provider: Provider;
  /** Threads of each program's pool. */
  readonly threads: number;
  /** CUDA device. */
  readonly deviceId: number;
}

/**
 * How long a thread of a program's pool stays awake for its next operator, microseconds. Every program has a pool of its
 * own, whose threads by default spin on through the gap between two runs and take the cores from the pool that computes,
 * from the gRPC thread and from whatever else the machine does: asleep there, a busy two-core machine was three to four
 * times faster. But waking for each operator costs half a millisecond a request. So a program of many small operators
 * waits a little longer (`SMALL`) than one of few large ones (`LARGE`), whose waiting others would pay for.
 */
export const AWAKE_US = { LARGE: 20, SMALL: 60 } as const;

/**
 * What a program does with memory. `QUICK` takes the room of a whole run at once. `LEAN` takes and frees it node by node, and its
 * nodes run in the order of the graph's outputs, the last first: each as late as an output needs it. A copy behind each
 * output makes that order; the runtime would take it away. Neither does it join a sum and a layer norm there: the joint
 * kernel is four times slower.
 */
export const MEMORY = {
  QUICK: { pattern: true, without: undefined },
  LEAN: { pattern: false, without: 'EliminateIdentity;SkipLayerNormFusion' },
} as const;

/** By the names of a graph's inputs or outputs. */
export type Tensors = Readonly<Record<string, OrtTensor>>;

/** One graph on the device. */
export interface Program {
  /** Runs with the outputs written into the given memory. */
  runInto(feeds: Tensors, outputs: Tensors): Promise<void>;
  /** Runs with outputs in memory of their own. */
  run(feeds: Tensors): Promise<Tensors>;
  /** Ends it before the runtime does. */
  release(): Promise<void>;
}

export class Runtime {
  readonly #sessions = new Set<InferenceSession>();

  constructor(readonly device: RuntimeDevice) {}

  /** Rejects with the runtime's own words when the device cannot run the graph. */
  async prepare(
    graph: Graph,
    awakeUs: number = AWAKE_US.SMALL,
    memory: keyof typeof MEMORY = 'QUICK',
  ): Promise<Program> {
    const session = await InferenceSession.create(writeOnnx(graph), {
      executionProviders: [this.#provider(graph)],
      intraOpNumThreads: this.device.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      enableMemPattern: MEMORY[memory].pattern,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      extra: {
        session: {
          intra_op: { allow_spinning: '1', spin_duration_us: String(awakeUs) },
          // 8-bit products on x86 without VNNI: the faster kernel adds pairs in 16 bits, which saturate
          x64quantprecision: '1',
        },
        ...(MEMORY[memory].without && {
          optimization: { disable_specified_optimizers: MEMORY[memory].without },
        }),
      },
    });
    this.#sessions.add(session);
    return {
      async runInto(feeds, outputs) {
        await session.run(feeds, outputs);
      },
      run: (feeds) => session.run(feeds),
      release: async () => {
        if (this.#sessions.delete(session)) await session.release();
      },
    };
  }

  /** Ends every program that was prepared. */
  async release(): Promise<void> {
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    for (const session of sessions) await session.release();
  }

  #provider(graph: Graph): InferenceSession.ExecutionProviderConfig {
    const { provider, deviceId } = this.device;
    switch (provider) {
      case 'cuda':
        return { name: 'cuda', deviceId };
      case 'webgpu': {
        const forceCpuNodeNames = readsFloat16(graph);
        return forceCpuNodeNames.length > 0 ? { name: 'webgpu', forceCpuNodeNames } : 'webgpu';
      }
      case 'cpu':
        return 'cpu';
    }
  }
}

/** Nodes that read float16. Shaders may do so only on devices with `shader-f16`, which the runtime finds out too late. */
function readsFloat16(graph: Graph): string[] {
  return graph.nodes
    .filter(({ inputs }) => inputs.some((value) => value?.dtype === 'float16'))
    .map(({ name }) => name);
}

export function float32(values: Float32Array, dims: readonly number[]): OrtTensor {
  return new OrtTensor('float32', values, dims);
}
