/** Golden cases and small models for tests: real files and real shapes, without training. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ModelCard } from '../../src/model/card.js';
import { bundleFromCheckpoint, type Declared } from '../../src/model/declare.js';
import { expectedParameters } from '../../src/model/parameters.js';
import { checkCardSchema } from '../../src/model/card-checks.js';
import type { Weights } from '../../src/model/weights.js';
import { float32Tensor, type Tensor } from '../../src/tensor/tensor.js';
import { readSafetensors } from '../../src/weights/safetensors.js';

export const GOLDEN_CASES = [
  'cross_relu_sigmoid',
  'cross_silu_linear',
  'cross_silu_softplus_nomask',
  'global_silu_half_square',
] as const;
export type GoldenCase = (typeof GOLDEN_CASES)[number];

const GOLDEN_DIRECTORY = fileURLToPath(new URL('../../../test/golden/data/', import.meta.url));

/** Path of a golden file, e.g. `cross_relu_sigmoid.weights.pt`. */
export function goldenPath(file: string): string {
  return path.join(GOLDEN_DIRECTORY, file);
}

/** Tensors of `CASE.inputs.safetensors`, `CASE.expected.safetensors` (float64) or `CASE.weights.safetensors`. */
export function goldenTensors(
  name: GoldenCase,
  part: 'inputs' | 'expected' | 'weights',
): Map<string, Tensor> {
  const file = goldenPath(`${name}.${part}.safetensors`);
  return readSafetensors(file, Uint8Array.from(readFileSync(file))).tensors;
}

interface GoldenDescription {
  readonly activation: ModelCard['activation'];
  readonly energy: ModelCard['readout']['kind'];
  readonly heads?: number;
  readonly tau: number;
  readonly shapes: Readonly<Record<'B' | 'S' | 'D' | 'H' | 'A' | 'M', number>>;
}

/** The case's own description, as the PyTorch side wrote it. */
export function goldenDescription(name: GoldenCase): GoldenDescription {
  return JSON.parse(readFileSync(goldenPath(`${name}.json`), 'utf8')) as GoldenDescription;
}

/** What must be declared to import the case's checkpoint. */
export function goldenDeclared(name: GoldenCase): Declared {
  const { activation, energy, heads, tau } = goldenDescription(name);
  return { name, activation, readout: { kind: energy }, tau, ...(heads === undefined ? {} : { heads }) };
}

/** Card and float32 weights of a golden case. */
export function goldenModel(name: GoldenCase): { readonly card: ModelCard; readonly weights: Weights } {
  return bundleFromCheckpoint(goldenTensors(name, 'weights'), goldenDeclared(name), name);
}

/** Values of a float64 tensor (the golden results), exactly. */
export function float64Values(tensor: Tensor): Float64Array {
  if (tensor.dtype !== 'float64') throw new TypeError(`float64 expected, found ${tensor.dtype}`);
  return new Float64Array(tensor.bytes.slice().buffer);
}

/** A small card; `changes` go over the fields. */
export function smallCard(changes: Record<string, unknown> = {}): ModelCard {
  const common = {
    format: 'action-energy/1',
    name: 'small',
    activation: 'relu',
    readout: { kind: 'sigmoid' },
    state_dim: 6,
    action_dim: 3,
    hidden: 8,
    tau: 0.5,
    actions: { units: 'unspecified' },
    mask_polarity: 'true_is_ignored',
  };
  const own =
    changes['architecture'] === 'global_context'
      ? { layers: 2, chunk: 4 }
      : { architecture: 'cross_attention', heads: 2, blocks: { state: 1, action: 1, head: 2 } };
  return checkCardSchema({ ...common, ...own, ...changes });
}

/** Float32 weights of the card's shapes, uniform in about ±1/sqrt(fan in), the same for the same seed. */
export function randomWeights(card: ModelCard, seed = 1): Map<string, Tensor> {
  const random = uniform(seed);
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of expectedParameters(card)) {
    const count = shape.reduce((product, size) => product * size, 1);
    const scale = 1 / Math.sqrt(shape.at(-1)!);
    const normWeight = /layer_norm\d\.weight$|ffn\.0\.weight$/.test(name) ? 1 : 0;
    const values = Float32Array.from({ length: count }, () => normWeight + scale * (2 * random() - 1));
    weights.set(name, float32Tensor(shape, values));
  }
  return weights;
}

/** Uniform in [0, 1), mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Runs `use` with a new directory and removes it afterwards. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-'));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
