/** ONNX Runtime sessions of one model on one provider. Only the engine's worker imports this. */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { EnergyGraphs } from '../energy/graphs.js';
import type { Graph } from '../graph/graph.js';
import { writeOnnx } from '../graph/onnx.js';
import { padProducts } from '../graph/pad-products.js';
import { quantizeProducts } from '../graph/quantize.js';
import type { Precision, Provider, TokenDType } from './engine.js';

/**
 * How long a thread of a session's pool stays awake for its next operator, microseconds. Every session has a pool of its own,
 * whose threads by default spin on through the gap between two runs and take the cores from the pool that computes, from
 * the gRPC thread and from whatever else the machine does: asleep there, a busy two-core machine was three to four times
 * faster. But waking for each operator costs half a millisecond a request. Scoring has many small operators and waits a
 * little longer; encoding has few large ones, and what its threads burn is missed by those that receive the next context.
 */
const AWAKE_US = { encode: 20, score: 60 } as const;

export interface SessionOptions {
  readonly provider: Provider;
  readonly precision: Precision;
  readonly threads: number;
  readonly deviceId: number;
}

export interface Sessions {
  readonly encode: Readonly<Record<TokenDType, InferenceSession>>;
  readonly layOut: InferenceSession;
  readonly query: InferenceSession;
  readonly attend: InferenceSession;
  readonly head: InferenceSession;
  release(): Promise<void>;
}

export function createSession(
  graph: Graph,
  options: SessionOptions,
  awakeUs: number = AWAKE_US.score,
): Promise<InferenceSession> {
  return InferenceSession.create(writeOnnx(graph), {
    executionProviders: [providerOption(graph, options)],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: '1', spin_duration_us: String(awakeUs) } } },
  });
}

function providerOption(
  graph: Graph,
  { provider, deviceId }: SessionOptions,
): InferenceSession.ExecutionProviderConfig {
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

/** Nodes that read float16. Shaders may do so only on devices with `shader-f16`, which the runtime finds out too late. */
function readsFloat16(graph: Graph): string[] {
  return graph.nodes
    .filter(({ inputs }) => inputs.some((value) => value?.dtype === 'float16'))
    .map(({ name }) => name);
}

/** The encode graph as the device runs it best. */
function encodeGraph(graph: Graph, { precision, provider }: SessionOptions): Graph {
  if (precision === 'int8') return quantizeProducts(graph);
  return provider === 'cpu' ? padProducts(graph) : graph;
}

/** Creates every session; when one fails, releases those that exist and rejects. */
export async function createSessions(graphs: EnergyGraphs, options: SessionOptions): Promise<Sessions> {
  const created: InferenceSession[] = [];
  const release = async (): Promise<void> => {
    for (const session of created.splice(0)) await session.release();
  };
  const create = async (graph: Graph, awakeUs?: number): Promise<InferenceSession> => {
    const session = await createSession(graph, options, awakeUs);
    created.push(session);
    return session;
  };
  const encode = (dtype: TokenDType): Promise<InferenceSession> =>
    create(encodeGraph(graphs.encode(dtype), options), AWAKE_US.encode);
  try {
    return {
      encode: {
        float32: await encode('float32'),
        float16: await encode('float16'),
        bfloat16: await encode('bfloat16'),
      },
      layOut: await create(graphs.layOut()),
      query: await create(graphs.query()),
      attend: await create(graphs.attend()),
      head: await create(graphs.head()),
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

export function float32(values: Float32Array, dims: readonly number[]): OrtTensor {
  return new OrtTensor('float32', values, dims);
}

/** Runs with the outputs written into the given memory. */
export async function runInto(
  session: InferenceSession,
  feeds: Readonly<Record<string, OrtTensor>>,
  outputs: Readonly<Record<string, OrtTensor>>,
): Promise<void> {
  await session.run(feeds, outputs);
}
