/** Layers of the energy models as graph fragments (docs/model.md, "Architectures"). */
import type { Graph } from '../graph/graph.js';
import { add, layerNorm, matmul, relu, reshape, silu, type Normalised } from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { ModelCard } from '../model/card.js';
import type { Linear, Matrix, Norm, Parameters } from './bound-parameters.js';

export type Activation = ModelCard['activation'];

/** x [..., inputs] to [..., outputs]. */
export function linear(g: Graph, name: string, x: Value, map: Linear): Value {
  return g.within(name, () => {
    const { weight, bias } = map.in(g);
    return add(g, product(g, x, weight), bias);
  });
}

/**
 * x W. Of rows that only the run can count, and of a weight that is stored transposed, the runtime would make one small product for
 * each context, and take twice as long; so they are made rows of one matrix first.
 */
function product(g: Graph, x: Value, weight: Value): Value {
  const sizes = x.shape.slice(0, -1).map((dim) => (typeof dim === 'number' ? dim : -1));
  const unknown = sizes.filter((size) => size === -1).length;
  if (sizes.length < 2 || unknown !== 1 || g.constants.has(weight.name)) return matmul(g, x, weight);
  const [inputs, outputs] = weight.shape as [number, number];
  return reshape(g, matmul(g, reshape(g, x, [-1, inputs]), weight), [...sizes, outputs]);
}

export function normalise(g: Graph, name: string, x: Value, norm: Norm, epsilon: number): Normalised {
  return g.within(name, () => {
    const { scale, bias } = norm.in(g);
    return layerNorm(g, x, scale, bias, epsilon);
  });
}

export function activate(g: Graph, activation: Activation, x: Value): Value {
  return activation === 'relu' ? relu(g, x) : silu(g, x);
}

/** An MLPResNet up to what its last layer reads; that layer may be merged with the ones that follow it. */
export interface MlpResNet {
  /** Of each layer norm. */
  readonly epsilon: number;
  /** Absent: fc1 reads the input as it is. */
  readonly inputNorm?: Norm;
  readonly fc1: Linear;
  readonly blocks: readonly { readonly norm: Norm; readonly linear: Linear }[];
  readonly outputNorm: Norm;
  /** Each a map of the normalised result: fc2, or what fc2 was merged with. */
  readonly outputs: readonly Linear[];
}

/**
 * Reads the parameters of `name`. `merge` makes of fc2 the maps that read the normalised result; without it fc2 itself.
 */
export function mlpResNet<L extends Linear, N extends Norm, M extends Matrix>(
  parameters: Parameters<L, N, M>,
  name: string,
  size: {
    inputs: number;
    hidden: number;
    outputs: number;
    blocks: number;
    epsilon: number;
    normed?: boolean;
  },
  merge: (fc2: L) => readonly L[] = (fc2) => [fc2],
): MlpResNet {
  const { inputs, hidden, outputs, normed = true } = size;
  const fc1 = parameters.linear(`${name}.fc1`, inputs, hidden);
  const input = normed
    ? parameters.absorb(parameters.norm(`${name}.layer_norm1`, inputs), [fc1])
    : { maps: [fc1] };
  const blocks = Array.from({ length: size.blocks }, (_, index) => {
    const block = `${name}.mlp_resnet_blocks.${index}.ffn`;
    const { norm, maps } = parameters.absorb(parameters.norm(`${block}.0`, hidden), [
      parameters.linear(`${block}.1`, hidden, hidden),
    ]);
    return { norm, linear: maps[0]! };
  });
  const output = parameters.absorb(
    parameters.norm(`${name}.layer_norm2`, hidden),
    merge(parameters.linear(`${name}.fc2`, hidden, outputs)),
  );
  return {
    epsilon: size.epsilon,
    ...('norm' in input && { inputNorm: input.norm }),
    fc1: input.maps[0]!,
    blocks,
    outputNorm: output.norm,
    outputs: output.maps,
  };
}

export interface ResNetResult {
  /** One a map of `outputs`, [..., outputs]. */
  readonly out: readonly Value[];
  /** Input norm, whose statistics tell whether the input was finite; absent without one. */
  readonly input?: Normalised;
}

/** `LN2(block_n(...block_1(act(fc1(LN1(x)))))) W + b` for each output map, `block(x) = x + act(Linear(LN(x)))`. */
export function runResNet(
  g: Graph,
  name: string,
  x: Value,
  net: MlpResNet,
  activation: Activation,
): ResNetResult {
  return g.within(name, () => {
    const input = net.inputNorm && normalise(g, 'layer_norm1', x, net.inputNorm, net.epsilon);
    let y = activate(g, activation, linear(g, 'fc1', input?.out ?? x, net.fc1));
    for (const [index, block] of net.blocks.entries()) {
      y = g.within(`block${index}`, () => {
        const normed = normalise(g, 'norm', y, block.norm, net.epsilon).out;
        return add(g, y, activate(g, activation, linear(g, 'ffn', normed, block.linear)));
      });
    }
    const normed = normalise(g, 'layer_norm2', y, net.outputNorm, net.epsilon).out;
    return { out: net.outputs.map((map) => linear(g, 'fc2', normed, map)), ...(input && { input }) };
  });
}

/**
 * Interleaved sine and cosine positions (Vaswani et al. 2017, section 3.5): base 10000, not part of a state dict.
 *
 * P [steps, width]: `P[t,2i] = sin(t / 10000^(2i/width))`, `P[t,2i+1] = cos(same)`.
 */
export function positionalEncoding(steps: number, width: number): Float32Array {
  const out = new Float32Array(steps * width);
  for (let t = 0; t < steps; t++) {
    for (let i = 0; i < width; i++) {
      const angle = t / 10000 ** ((i - (i % 2)) / width);
      out[t * width + i] = i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return out;
}
