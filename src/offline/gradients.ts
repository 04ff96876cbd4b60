/** One loss over a whole data file, and its gradients: what PyTorch's `backward()` would leave behind, dropout off. */
import { Tensor as OrtTensor } from '../engine/onnx-runtime.js';
import { openScoreData } from '../data/score-data.js';
import type { TensorFile } from '../data/tensor-file.js';
import { gradientGraph } from '../energy/gradient-graph.js';
import { ALIGNMENT_SIGMAS, type LossKind, type LossTerm } from '../energy/loss-terms.js';
import { tokenBatch, type TokenBatch } from '../energy/token-batch.js';
import { TOKEN_ELEMENT } from '../energy/tokens.js';
import { AWAKE_US, float32, type Runtime } from '../engine/runtime.js';
import { invalid } from '../errors.js';
import { checkActions } from '../model/actions.js';
import type { ModelCard } from '../model/card.js';
import type { Weights } from '../model/weights.js';
import { seededRandom } from '../random.js';
import { floats32, toFloat32, words16, float32Tensor, formatShape, type Tensor } from '../tensor/tensor.js';

/** Seed of the noise that is drawn where the file has none. */
const NOISE_SEED = 0;

export interface Gradients {
  /** `loss` [], `grad/NAME` by each parameter under its state-dict name and shape, `action_grad` [B, H, A]. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly loss: number;
  readonly pairs: number;
  readonly steps: number;
  /** Euclidean norm over all parameters. */
  readonly norm: number;
  /** True where alignment found no `noise0`, `noise1`, ... and drew some. */
  readonly drewNoise: boolean;
}

/**
 * All rows of `file` as one batch. Keys: `hidden`, `pad_mask`, `offsets`, `actions` as for scoring; `negatives` [B, M, H, A] for
 * explicit and hinge; `noise0`, `noise1`, ... [B, H, A] for alignment. Errors: a key that is missing or does not fit, a
 * value that is not finite, a single row where the loss sets rows against each other; a gradient that is not finite, by parameter.
 */
export async function fileGradients(
  runtime: Runtime,
  card: ModelCard,
  weights: Weights,
  file: TensorFile,
  kind: LossKind,
  tau: number,
): Promise<Gradients> {
  const noiseKeys = noiseKeysOf(file);
  const data = await openScoreData(file, card, noiseKeys);
  const { contexts: pairs } = data;
  if (!data.hasActions) {
    throw invalid(`${file.path}: actions`, 'missing key', { wanted: 'actions [B, H, A]' });
  }
  if (pairs < 2 && (kind === 'swap' || kind === 'margin')) {
    throw invalid(`${file.path}: actions`, `a single pair has nothing for ${kind} to set it against`, {
      found: '1 pair',
      wanted: 'at least 2',
    });
  }
  const tokens = tokenBatch(await data.readContexts(0, pairs), card.state_dim);
  const { values: actions, steps } = await data.readActions(0, pairs);
  const chunks = await otherChunks(file, card, kind, noiseKeys, pairs, steps);
  const { graph, parameters } = gradientGraph(card, [{ term: termOf(kind, tau, chunks.count), weight: 1 }], {
    pairs,
    steps,
    dtype: tokens.dtype,
    actionGradient: true,
  });
  const shape = [pairs, steps, card.action_dim];
  const feeds: Record<string, OrtTensor> = {
    ...contextFeeds(tokens, card, pairs),
    actions: float32(actions, shape),
  };
  for (const name of parameters) {
    const { shape: dims } = weights.get(name)!;
    feeds[name] = float32(toFloat32(name, weights.get(name)!), dims);
  }
  if (chunks.values) {
    const rows = [pairs, chunks.count, steps, card.action_dim];
    feeds[kind === 'alignment' ? 'noise' : 'negatives'] = float32(chunks.values, rows);
  }
  const program = await runtime.prepare(graph, AWAKE_US.LARGE);
  const results = await program.run(feeds);
  return { ...collect(results, parameters), pairs, steps, drewNoise: chunks.drawn };
}

function termOf(kind: LossKind, tau: number, count: number): LossTerm {
  switch (kind) {
    case 'swap':
      return { kind, tau };
    case 'explicit':
      return { kind, tau, negatives: count };
    case 'hinge':
      return { kind, negatives: count };
    case 'margin':
      return { kind };
    case 'alignment':
      return { kind, noises: count };
  }
}

/** `hidden` and, where there is attention, `pad_mask`, as inputs of a graph. */
export function contextFeeds(tokens: TokenBatch, card: ModelCard, pairs: number): Record<string, OrtTensor> {
  const cross = card.architecture === 'cross_attention';
  const dims = cross ? [pairs, tokens.tokens, card.state_dim] : [pairs, card.state_dim];
  const hidden =
    tokens.dtype === 'float32'
      ? float32(floats32(tokens.bytes), dims)
      : new OrtTensor(TOKEN_ELEMENT[tokens.dtype], words16(tokens.bytes), dims);
  return cross
    ? { hidden, pad_mask: new OrtTensor('bool', tokens.padMask, [pairs, tokens.tokens]) }
    : { hidden };
}

interface OtherChunks {
  /** [B, count, H, A]; absent for losses over the matrix. */
  readonly values?: Float32Array;
  readonly count: number;
  readonly drawn: boolean;
}

/** The negatives or the noise that the loss reads. */
async function otherChunks(
  file: TensorFile,
  card: ModelCard,
  kind: LossKind,
  noiseKeys: readonly string[],
  pairs: number,
  steps: number,
): Promise<OtherChunks> {
  const chunk = steps * card.action_dim;
  if (kind === 'explicit' || kind === 'hinge') {
    const field = `${file.path}: negatives`;
    const entry = file.header.get('negatives');
    const wanted = `[${pairs}, M, ${steps}, ${card.action_dim}], M at least 1`;
    if (!entry)
      throw invalid(field, 'missing key', { wanted, mend: `The ${kind} loss is over given negatives.` });
    const [rows, count = 0, ...rest] = entry.shape;
    if (entry.shape.length !== 4 || rows !== pairs || count < 1 || rest[0] !== steps) {
      throw invalid(`${field}.shape`, 'does not fit the actions', {
        found: formatShape(entry.shape),
        wanted,
      });
    }
    const tensor = await file.read('negatives');
    const { values } = checkActions({ ...tensor, shape: [pairs * count, ...rest] }, card, field);
    return { values, count, drawn: false };
  }
  if (kind !== 'alignment') return { count: 0, drawn: false };
  const count = noiseKeys.length || ALIGNMENT_SIGMAS.length;
  const values = new Float32Array(pairs * count * chunk);
  for (let k = 0; k < count; k++) {
    const key = noiseKeys[k];
    const noise = key === undefined ? drawn(k, pairs * chunk) : await read(file, key, card, pairs, steps);
    for (let i = 0; i < pairs; i++) {
      values.set(noise.subarray(i * chunk, (i + 1) * chunk), (i * count + k) * chunk);
    }
  }
  return { values, count, drawn: noiseKeys.length === 0 };
}

function drawn(index: number, count: number): Float32Array {
  const random = seededRandom(NOISE_SEED, `noise${index}`);
  return Float32Array.from({ length: count }, () => ALIGNMENT_SIGMAS[index]! * random.normal());
}

async function read(
  file: TensorFile,
  key: string,
  card: ModelCard,
  pairs: number,
  steps: number,
): Promise<Float32Array> {
  const tensor = await file.read(key);
  const wanted = [pairs, steps, card.action_dim];
  if (formatShape(tensor.shape) !== formatShape(wanted)) {
    throw invalid(`${file.path}: ${key}.shape`, 'does not fit the actions', {
      found: formatShape(tensor.shape),
      wanted: formatShape(wanted),
    });
  }
  const values = toFloat32(`${file.path}: ${key}`, tensor);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw invalid(`${file.path}: ${key}`, 'not finite', { found: `${values[bad]} at element ${bad}` });
  }
  return values;
}

/** `noise0`, `noise1`, ... as far as they go. Errors: a gap. */
function noiseKeysOf(file: TensorFile): string[] {
  const keys = [...file.header.keys()].filter((key) => /^noise\d+$/.test(key));
  for (const index of keys.keys()) {
    if (keys.includes(`noise${index}`)) continue;
    throw invalid(`${file.path}: noise${index}`, 'missing key', {
      found: keys.join(', '),
      wanted: 'noise0, noise1, ... without a gap',
    });
  }
  return [...keys.keys()].map((index) => `noise${index}`);
}

function collect(
  results: Readonly<Record<string, OrtTensor>>,
  parameters: readonly string[],
): Pick<Gradients, 'tensors' | 'loss' | 'norm'> {
  const tensors = new Map<string, Tensor>();
  let squares = 0;
  for (const name of ['loss', 'action_grad', ...parameters.map((parameter) => `grad/${parameter}`)]) {
    const { data, dims } = results[name]!;
    const values = Float32Array.from(data as Float32Array);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw invalid(name, 'not finite', {
        found: `${values[bad]} at element ${bad}`,
        mend: 'The input is finite, so look at its scale and at the weights: `action-energy doctor` probes both',
      });
    }
    if (name.startsWith('grad/')) for (const value of values) squares += value * value;
    tensors.set(name, float32Tensor(dims, values));
  }
  return { tensors, loss: floats32(tensors.get('loss')!.bytes)[0]!, norm: Math.sqrt(squares) };
}
