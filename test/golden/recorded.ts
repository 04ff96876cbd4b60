/**
 * Requests whose energies were recorded before the redesign of the engine and the scheduler, and how they are asked: through
 * gRPC, of a server in a process of its own, so that any version can be asked. Inputs are drawn from seeds.
 */
import { readFileSync } from 'node:fs';
import { arch, cpus } from 'node:os';
import path from 'node:path';
import { EnergyClient } from '../../src/client/energy-client.js';
import { contextMessage } from '../../src/client/messages.js';
import type { InlineContext } from '../../src/generated/action_energy/v1/InlineContext.js';
import { saveBundle } from '../../src/model/bundle.js';
import type { ModelCard } from '../../src/model/card.js';
import { fromFloat32, toFloat32, type FloatDType, type Tensor } from '../../src/tensor/tensor.js';
import { GOLDEN_CASES, goldenModel, goldenTensors, randomWeights, smallCard } from '../support/bundles.js';
import { randomValues } from '../support/engine.js';
import { startServerProcess } from '../support/server-process.js';
import { goldenContext, tensorMessage, writeGoldenBundles } from '../support/service.js';

export type Precision = 'float32' | 'int8';
/** Energies by request: float64 [N] of a ScoreActions, float32 [B, M] of an EnergyMatrix. */
export type Recording = Map<string, Tensor>;

/** What float32 results depend on besides the code: which kernels the runtime takes, and how it splits them. */
export interface Machine {
  readonly arch: string;
  readonly runtime: string;
  /** Of the sets that ONNX Runtime has kernels of its own for. */
  readonly instructions: readonly string[];
}

const KERNEL_SETS = ['avx', 'avx2', 'fma', 'f16c', 'avx512f', 'avx512_vnni', 'avx_vnni', 'amx_int8', 'asimd'];

export function thisMachine(): Machine {
  const runtime = JSON.parse(
    readFileSync(new URL('../../../node_modules/onnxruntime-node/package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  return { arch: arch(), runtime: runtime.version, instructions: instructionSets() };
}

/** Empty where the system does not say; then no machine equals another. */
function instructionSets(): string[] {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    const [, flags = ''] = /^(?:flags|Features)\s*:(.*)$/m.exec(text) ?? [];
    return flags.split(/\s+/).filter((flag) => KERNEL_SETS.includes(flag));
  } catch {
    return [];
  }
}

export function sameKernels(a: Machine, b: Machine): boolean {
  return a.instructions.length > 0 && JSON.stringify(a) === JSON.stringify(b) && cpus().length >= 2;
}

/** Large enough for several runs of each graph and, in a matrix, for several batches. */
const WIDE = smallCard({ name: 'wide', state_dim: 64, hidden: 64, heads: 4, action_dim: 7 });
const H = 8;

/** Serves the golden models and a wider one with `main`, the command's entry point, and asks everything. */
export async function record(directory: string, precision: Precision, main?: string): Promise<Recording> {
  await writeGoldenBundles(directory, GOLDEN_CASES);
  await saveBundle(path.join(directory, 'wide'), WIDE, randomWeights(WIDE, 11));
  const engine = ['--provider', 'cpu', '--threads', '2', '--precision', precision];
  const server = await startServerProcess(
    ['--models', directory, '--quality-share', '0', ...engine],
    [],
    main,
  );
  const client = await EnergyClient.open({ address: server.address });
  try {
    const found: Recording = new Map();
    const recorder = new Recorder(client, found);
    if (precision === 'float32') for (const name of GOLDEN_CASES) await recorder.golden(name);
    await recorder.wide();
    return found;
  } finally {
    client.close();
    await server.stop();
  }
}

class Recorder {
  constructor(
    readonly client: EnergyClient,
    readonly found: Recording,
  ) {}

  /** Every context of the case against all its actions, in each dtype; the whole as a matrix; one kept. */
  async golden(name: (typeof GOLDEN_CASES)[number]): Promise<void> {
    const inputs = goldenTensors(name, 'inputs');
    const actions = inputs.get('actions')!;
    const rows = Array.from({ length: actions.shape[0]! }, (_, i) => goldenContext(inputs, i));
    for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
      const narrow = new Map(inputs).set('hidden', converted(inputs.get('hidden')!, dtype));
      const inline = goldenContext(narrow, 1);
      await this.#score(`${name}/${dtype}`, { model: name, inline, candidates: tensorMessage(actions) });
    }
    const { context } = await this.client.putContext({ model: name, context: rows[2]! });
    await this.#score(`${name}/kept`, {
      model: name,
      contextId: context!.contextId,
      candidates: tensorMessage(actions),
    });
    await this.#matrix(`${name}/matrix`, name, rows, actions);
    const { card } = goldenModel(name);
    if (card.architecture === 'global_context') return;
    await this.#score(`${name}/one step`, {
      model: name,
      inline: rows[0]!,
      candidates: chunks(card, 3, 1, 5),
    });
  }

  async wide(): Promise<void> {
    const model = 'wide';
    const masked = [[0, 120], [131, 200], [260, 300]] as const; // prettier-ignore
    for (const [candidates, steps] of [
      [1, H],
      [2, H],
      [17, H],
      [64, H],
      [300, H],
      [60, 50],
      [700, 1],
    ] as const) {
      const name = `wide/N ${candidates}, H ${steps}`;
      const inline = context(300, candidates, 'bfloat16', masked);
      await this.#score(name, { model, inline, candidates: chunks(WIDE, candidates, steps, steps) });
    }
    await this.#score('wide/tokens 3000', {
      model,
      inline: context(3000, 4, 'float32'),
      candidates: chunks(WIDE, 4, H, 4),
    });
    const { context: kept } = await this.client.putContext({ model, context: context(90, 5, 'float16') });
    const contextId = kept!.contextId;
    for (const candidates of [1, 33]) {
      await this.#score(`wide/kept, N ${candidates}`, {
        model,
        contextId,
        candidates: chunks(WIDE, candidates, H, 6),
      });
    }
    const many = Array.from({ length: 40 }, (_, i) => context(20 + 7 * i, 100 + i, 'float32'));
    await this.#matrix('wide/matrix 40 x 24', model, many, tensorOf(WIDE, 24, H, 7));
    await this.#matrix('wide/matrix 3 x 3', model, many.slice(0, 3), tensorOf(WIDE, 3, H, 8));
    await this.#matrix('wide/matrix 5 x 290', model, many.slice(5, 10), tensorOf(WIDE, 290, H, 9));
  }

  async #score(name: string, request: Parameters<EnergyClient['score']>[0]): Promise<void> {
    const { energies } = await this.client.score(request);
    const bytes = new Uint8Array(Float64Array.from(energies).buffer);
    this.found.set(name, { dtype: 'float64', shape: [energies.length], bytes });
  }

  async #matrix(name: string, model: string, rows: readonly InlineContext[], actions: Tensor): Promise<void> {
    const contexts = rows.map((inline) => ({ inline }));
    const { energies } = await this.client.matrix({ model, contexts, actions: tensorMessage(actions) });
    const shape = [rows.length, actions.shape[0]!];
    this.found.set(name, { dtype: 'float32', shape, bytes: Uint8Array.from(energies!.data) });
  }
}

function converted(tensor: Tensor, dtype: FloatDType): Tensor {
  return fromFloat32(dtype, tensor.shape, toFloat32('hidden', tensor));
}

function context(
  tokens: number,
  seed: number,
  dtype: FloatDType,
  visible: readonly (readonly [number, number])[] = [[0, tokens]],
): InlineContext {
  const shape = [tokens, WIDE.state_dim];
  return contextMessage(fromFloat32(dtype, shape, randomValues(tokens * WIDE.state_dim, seed)), visible);
}

function tensorOf(card: ModelCard, candidates: number, steps: number, seed: number): Tensor {
  const shape = [candidates, steps, card.action_dim];
  return fromFloat32('float32', shape, randomValues(candidates * steps * card.action_dim, 1000 + seed));
}

function chunks(...of: Parameters<typeof tensorOf>): ReturnType<typeof tensorMessage> {
  return tensorMessage(tensorOf(...of));
}
