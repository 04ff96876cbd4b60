/** A random model of the size that serves a 7B policy, and random requests for it. */
import type { ModelCard } from '../src/model/card.js';
import { fromFloat32, type Tensor } from '../src/tensor/tensor.js';
import { randomWeights, smallCard, uniform } from '../test/support/bundles.js';

export interface BenchSize {
  readonly stateDim: number;
  readonly hidden: number;
  readonly heads: number;
  readonly tokens: number; // S
  readonly masked: number;
  readonly steps: number; // H
  readonly actionDim: number;
}

/** D 4096, h 512, S 600 of which 60 masked, H 8, A 7. */
export const REFERENCE_SIZE: BenchSize = {
  stateDim: 4096,
  hidden: 512,
  heads: 8,
  tokens: 600,
  masked: 60,
  steps: 8,
  actionDim: 7,
};

export function benchModel(size: BenchSize): { card: ModelCard; weights: Map<string, Tensor> } {
  const card = smallCard({
    name: 'bench',
    state_dim: size.stateDim,
    action_dim: size.actionDim,
    hidden: size.hidden,
    heads: size.heads,
    chunk: size.steps,
  });
  return { card, weights: randomWeights(card) };
}

/** Values drawn before they repeat: enough for any statistic, and a context is made in milliseconds. */
const PERIOD = 65_521;

/** About normal, deterministic. */
export function randomFloats(count: number, seed: number): Float32Array {
  const random = uniform(seed);
  const drawn = Float32Array.from(
    { length: Math.min(count, PERIOD) },
    () => (random() + random() + random() + random() - 2) * 1.7,
  );
  const out = new Float32Array(count);
  for (let at = 0; at < count; at += PERIOD) out.set(drawn.subarray(0, Math.min(PERIOD, count - at)), at);
  return out;
}

/** One context [S, D] in the given dtype. */
export function randomContext(
  size: BenchSize,
  dtype: 'float32' | 'bfloat16' | 'float16',
  seed: number,
): Tensor {
  const shape = [size.tokens, size.stateDim];
  return fromFloat32(dtype, shape, randomFloats(size.tokens * size.stateDim, seed));
}

/** N candidates [N, H, A]. */
export function randomActions(size: BenchSize, candidates: number, seed: number): Float32Array {
  return randomFloats(candidates * size.steps * size.actionDim, seed).map((value) =>
    Math.max(-1, Math.min(1, value)),
  );
}
