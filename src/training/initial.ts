/** Weights of a new model as PyTorch's modules begin with them, drawn from a seed. */
import type { ModelCard } from '../model/card.js';
import { expectedParameters, STEP_WEIGHTS } from '../model/parameters.js';
import { seededRandom } from '../random.js';
import { float32Tensor, type Tensor } from '../tensor/tensor.js';

/**
 * Linear: weight and bias uniform in +-1/sqrt(fan in) (`torch.nn.Linear`); LayerNorm: ones and zeros; MultiheadAttention:
 * `in_proj_weight` Xavier uniform, its biases and that of `out_proj` zero; Embedding: standard normal.
 */
export function initialWeights(card: ModelCard, seed: number): Map<string, Tensor> {
  const shapes = new Map(expectedParameters(card));
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of shapes) {
    const random = seededRandom(seed, `initial ${name}`);
    const uniform =
      (bound: number): (() => number) =>
      () =>
        bound * (2 * random.uniform() - 1);
    const count = shape.reduce((product, size) => product * size, 1);
    weights.set(
      name,
      float32Tensor(
        shape,
        Float32Array.from(
          { length: count },
          drawOf(name, shape, uniform, () => random.normal()),
        ),
      ),
    );
  }
  return weights;

  function drawOf(
    name: string,
    shape: readonly number[],
    uniform: (bound: number) => () => number,
    normal: () => number,
  ): () => number {
    if (/(layer_norm\d|ffn\.0)\.weight$/.test(name)) return () => 1;
    if (/(layer_norm\d|ffn\.0|out_proj)\.bias$|in_proj_bias$/.test(name)) return () => 0;
    if (name === STEP_WEIGHTS) return () => 0; // every step counts the same
    if (name === 'pos_emb.weight') return normal;
    if (name.endsWith('in_proj_weight')) return uniform(Math.sqrt(6 / (shape[0]! + shape[1]!)));
    const [, fanIn] = shapes.get(name.replace(/bias$/, 'weight'))!;
    return uniform(1 / Math.sqrt(fanIn!));
  }
}
