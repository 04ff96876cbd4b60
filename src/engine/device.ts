/** Which execution provider an engine runs on. A provider asked for by name is used or refused, never replaced. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { energyGraphs, type EnergyGraphs } from '../energy/graphs.js';
import { Fault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { BYTES_PER_ELEMENT } from '../tensor/tensor.js';
import { BatchRunner } from './batch.js';
import { KeptQueries } from './kept-queries.js';
import { Scratch } from './memory.js';
import { valueOf, type EngineInfo, type Provider, type TokenDType } from './engine.js';
import { Runtime } from './runtime.js';
import { createSessions, SlopePrograms } from './sessions.js';
import type { WorkerStart } from './start.js';

/** Tokens of the warm-up context: enough that a provider's kernels, not its launches, decide a comparison. */
const WARM_UP_TOKENS = 128;
const WARM_UP_CANDIDATES = 8;
const WARM_UP_STEPS = 8;

export interface Device {
  readonly runner: BatchRunner;
  readonly info: EngineInfo;
  release(): Promise<void>;
}

/** Loads and warms the model on the provider asked for; `auto` takes the first of cuda, webgpu, cpu that serves best. */
export async function openDevice(start: WorkerStart): Promise<Device> {
  const graphs = energyGraphs(start.card, start.weights);
  if (start.provider !== 'auto') {
    try {
      return (await openProvider(start, graphs, start.provider, [])).device;
    } catch (error) {
      // The runtime works and the model's own results are not finite: that fault names the stage.
      if (error instanceof Fault && error.kind === 'invalid') throw error;
      throw new Fault('precondition', `execution provider ${start.provider} cannot be used`, {
        field: 'provider',
        found: reasonOf(error),
        wanted: `a working ${start.provider} runtime and device`,
        mend: 'Install it (README, "GPU") or choose provider cpu or auto',
        cause: error,
      });
    }
  }
  return openAuto(start, graphs);
}

async function openAuto(start: WorkerStart, graphs: EnergyGraphs): Promise<Device> {
  const refused: { provider: Provider; reason: string }[] = [];
  const attempt = async (provider: Provider): Promise<Opened | undefined> => {
    try {
      return await openProvider(start, graphs, provider, refused);
    } catch (error) {
      refused.push({ provider, reason: reasonOf(error) });
      return undefined;
    }
  };
  const cuda = await attempt('cuda');
  if (cuda) return cuda.device;
  const webgpu = await attempt('webgpu');
  const cpu = await openProvider(start, graphs, 'cpu', refused);
  if (!webgpu) return cpu.device;
  // A software Vulkan driver answers like a GPU and is many times slower than the CPU provider.
  const [slower, faster] = webgpu.warmMs < cpu.warmMs ? [cpu, webgpu] : [webgpu, cpu];
  const ratio = (slower.warmMs / faster.warmMs).toFixed(1);
  refused.push({
    provider: slower.device.info.provider,
    reason: `${ratio} times slower on the warm-up batch`,
  });
  await slower.device.release();
  return faster.device;
}

interface Opened {
  readonly device: Device;
  readonly warmMs: number;
}

async function openProvider(
  { card, precision, threads, deviceId }: WorkerStart,
  graphs: EnergyGraphs,
  provider: Provider,
  refused: EngineInfo['refused'],
): Promise<Opened> {
  const missing = missingParts(provider);
  if (missing) throw new Error(missing);
  const info: EngineInfo = {
    provider,
    precision,
    refused,
    threads,
    bytesPerToken: graphs.contextNames.length * graphs.contextWidth * BYTES_PER_ELEMENT.float32,
  };
  const runtime = new Runtime({ provider, threads, deviceId });
  try {
    const sessions = await createSessions(runtime, graphs, precision);
    const runner = new BatchRunner({
      ...{ card, graphs, sessions, precision, scratch: new Scratch() },
      queries: new KeptQueries(graphs.queryWidth),
      slopes: new SlopePrograms(runtime, graphs),
    });
    const warmMs = await warmUp(runner, card);
    return { device: { runner, info, release: () => runtime.release() }, warmMs };
  } catch (error) {
    await runtime.release();
    throw error;
  }
}

/** Runs every session once, then once more for the milliseconds of a batch. */
async function warmUp(runner: BatchRunner, card: ModelCard): Promise<number> {
  const tokens = card.architecture === 'cross_attention' ? WARM_UP_TOKENS : 1;
  const steps = card.chunk ?? WARM_UP_STEPS;
  const batch = async (dtype: TokenDType): Promise<number> => {
    const startMs = performance.now();
    const bytes = new Uint8Array(tokens * card.state_dim * BYTES_PER_ELEMENT[dtype]);
    const actions = new Float32Array(WARM_UP_CANDIDATES * steps * card.action_dim);
    const { encoded, scored } = await runner.run({
      encode: [{ slot: 0, dtype, bytes, visible: [[0, tokens]], move: false }],
      score: [{ slots: [0], actions, candidates: WARM_UP_CANDIDATES, steps }],
      release: [0],
    });
    for (const outcome of [...encoded, ...scored]) valueOf<unknown>(outcome);
    return performance.now() - startMs;
  };
  for (const dtype of ['bfloat16', 'float16', 'float32'] as const) await batch(dtype);
  return batch('float32');
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}

/** Where the Vulkan loader looks for drivers when no variable tells it (Vulkan-Loader, LoaderDriverInterface.md). */
const VULKAN_MANIFESTS = ['/usr/local/etc', '/usr/local/share', '/etc', '/usr/share'].map(
  (root) => `${root}/vulkan/icd.d`,
);
const VULKAN_VARIABLES = ['VK_DRIVER_FILES', 'VK_ADD_DRIVER_FILES', 'VK_ICD_FILENAMES'];

/**
 * Why the provider cannot work here, from what is installed; undefined when it may. The runtime would find out too, but says
 * so on stderr in its own words and several lines. Only Linux is looked at.
 */
function missingParts(provider: Provider): string | undefined {
  if (process.platform !== 'linux') return undefined;
  switch (provider) {
    case 'cuda':
      return existsSync(cudaLibrary()) ? undefined : 'its libraries are not installed: npm run install:cuda';
    case 'webgpu':
      return hasVulkanDriver() ? undefined : 'no Vulkan driver is installed';
    case 'cpu':
      return undefined;
  }
}

function cudaLibrary(): string {
  const root = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  return path.join(root, 'bin', 'napi-v6', 'linux', process.arch, 'libonnxruntime_providers_cuda.so');
}

function hasVulkanDriver(): boolean {
  if (VULKAN_VARIABLES.some((name) => process.env[name])) return true;
  return VULKAN_MANIFESTS.some((directory) => existsSync(directory) && readdirSync(directory).length > 0);
}
