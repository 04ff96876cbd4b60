/** Layers of the energy models as graph fragments (the report, section 1; `MLPResNet` of the model page). */
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { add, layerNorm, matmul, relu, silu, type Normalised } from '../graph/ops.js';
import type { ModelCard } from '../model/card.js';
import type { Linear, Norm, Parameters } from './parameters.js';

export type Activation = ModelCard['activation'];

/** torch.nn.LayerNorm's default. */
export const LAYER_NORM_EPSILON = 1e-5;

/** x [..., inputs] to [..., outputs]. */
export function linear(g: Graph, name: string, x: Value, { inputs, outputs, weight, bias }: Linear): Value {
  return g.within(name, () =>
    add(
      g,
      matmul(g, x, g.constant('weight', [inputs, outputs], weight)),
      g.constant('bias', [outputs], bias),
    ),
  );
}

export function norm(g: Graph, name: string, x: Value, { scale, bias }: Norm): Normalised {
  return g.within(name, () =>
    layerNorm(
      g,
      x,
      g.constant('scale', [scale.length], scale),
      g.constant('bias', [bias.length], bias),
      LAYER_NORM_EPSILON,
    ),
  );
}

export function activate(g: Graph, activation: Activation, x: Value): Value {
  return activation === 'relu' ? relu(g, x) : silu(g, x);
}

/** The parameters of one MLPResNet, its last layer given apart so that a caller may merge it with what follows. */
export interface MlpResNet {
  readonly inputNorm: Norm;
  readonly fc1: Linear;
  readonly blocks: readonly { readonly norm: Norm; readonly linear: Linear }[];
  readonly outputNorm: Norm;
  readonly fc2: Linear;
}

export function mlpResNet(
  parameters: Parameters,
  name: string,
  size: { inputs: number; hidden: number; outputs: number; blocks: number },
): MlpResNet {
  const { inputs, hidden, outputs } = size;
  return {
    inputNorm: parameters.norm(`${name}.layer_norm1`, inputs),
    fc1: parameters.linear(`${name}.fc1`, inputs, hidden),
    blocks: Array.from({ length: size.blocks }, (_, index) => ({
      norm: parameters.norm(`${name}.mlp_resnet_blocks.${index}.ffn.0`, hidden),
      linear: parameters.linear(`${name}.mlp_resnet_blocks.${index}.ffn.1`, hidden, hidden),
    })),
    outputNorm: parameters.norm(`${name}.layer_norm2`, hidden),
    fc2: parameters.linear(`${name}.fc2`, hidden, outputs),
  };
}

export interface Trunk {
  /** What goes into fc2, [..., hidden]. */
  readonly out: Value;
  /** Input norm, whose statistics tell whether the input was finite. */
  readonly input: Normalised;
}

/** `LN2(block_n(...block_1(act(fc1(LN1(x))))))`, `block(x) = x + act(Linear(LN(x)))`: an MLPResNet without its fc2. */
export function trunk(g: Graph, name: string, x: Value, net: MlpResNet, activation: Activation): Trunk {
  return g.within(name, () => {
    const input = norm(g, 'layer_norm1', x, net.inputNorm);
    let y = activate(g, activation, linear(g, 'fc1', input.out, net.fc1));
    for (const [index, block] of net.blocks.entries()) {
      y = g.within(`block${index}`, () =>
        add(
          g,
          y,
          activate(g, activation, linear(g, 'ffn', norm(g, 'norm', y, block.norm).out, block.linear)),
        ),
      );
    }
    return { out: norm(g, 'layer_norm2', y, net.outputNorm).out, input };
  });
}
