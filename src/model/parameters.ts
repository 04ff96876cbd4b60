/**
 * Names and shapes of the parameters of both architectures, as PyTorch's state dict has them. Shapes are written with
 * symbols so that one table serves to derive the dims from a checkpoint and to check a checkpoint against a card.
 *
 *   MLPResNet(blocks, din, h, dout)(x) = fc2(LN2(block_n(...block_1(act(fc1(LN1(x)))))))
 *   block(x) = x + act(Linear(LN(x)))       ffn.0 is the LayerNorm, ffn.1 the Linear
 */
import type { ModelCard } from './card.js';

/** Dims that a card declares and shapes tell: D, A, h, and H where the weights have a row for each step. */
export type Dim = 'state_dim' | 'action_dim' | 'hidden' | 'chunk';
export type Dims = Readonly<Partial<Record<Dim, number>>>;

/** The size of one axis: `times` alone, or `times` that dim. */
export interface Axis {
  readonly dim?: Dim;
  readonly times: number;
}

/** What decides the set of names: architecture, block counts, and what is there or not. */
export type Structure = (
  | {
      readonly architecture: 'cross_attention';
      readonly blocks: { readonly state: number; readonly action: number; readonly head: number };
      readonly action_norm: 'layer_norm' | 'none';
    }
  | { readonly architecture: 'global_context'; readonly layers: number }
) & {
  /** A weight a step, `step_weights` [H]. */
  readonly learnedPool: boolean;
};

/** Logits of the learned weights of the steps, [H]. */
export const STEP_WEIGHTS = 'step_weights';

export type SymbolicParameters = ReadonlyMap<string, readonly Axis[]>;

const ONE: Axis = { times: 1 };
const STATE: Axis = { dim: 'state_dim', times: 1 };
const ACTION: Axis = { dim: 'action_dim', times: 1 };
const HIDDEN: Axis = { dim: 'hidden', times: 1 };
const THREE_HIDDEN: Axis = { dim: 'hidden', times: 3 };
const CHUNK: Axis = { dim: 'chunk', times: 1 };

type Table = Map<string, readonly Axis[]>;

/** Linear din -> dout: weight [dout, din], bias [dout]. */
function linear(table: Table, name: string, din: Axis, dout: Axis): void {
  table.set(`${name}.weight`, [dout, din]);
  table.set(`${name}.bias`, [dout]);
}

function layerNorm(table: Table, name: string, width: Axis): void {
  table.set(`${name}.weight`, [width]);
  table.set(`${name}.bias`, [width]);
}

function mlpResNet(table: Table, name: string, blocks: number, din: Axis, dout: Axis, normed = true): void {
  if (normed) layerNorm(table, `${name}.layer_norm1`, din);
  linear(table, `${name}.fc1`, din, HIDDEN);
  for (let i = 0; i < blocks; i++) {
    layerNorm(table, `${name}.mlp_resnet_blocks.${i}.ffn.0`, HIDDEN);
    linear(table, `${name}.mlp_resnet_blocks.${i}.ffn.1`, HIDDEN, HIDDEN);
  }
  layerNorm(table, `${name}.layer_norm2`, HIDDEN);
  linear(table, `${name}.fc2`, HIDDEN, dout);
}

/** Every parameter of the structure, with its shape in symbols. */
export function symbolicParameters(structure: Structure): SymbolicParameters {
  const table: Table = new Map();
  if (structure.architecture === 'cross_attention') {
    table.set('cross.in_proj_weight', [THREE_HIDDEN, HIDDEN]);
    table.set('cross.in_proj_bias', [THREE_HIDDEN]);
    linear(table, 'cross.out_proj', HIDDEN, HIDDEN);
    mlpResNet(table, 'state_linear', structure.blocks.state, STATE, HIDDEN);
    const normed = structure.action_norm === 'layer_norm';
    mlpResNet(table, 'action_linear', structure.blocks.action, ACTION, HIDDEN, normed);
    mlpResNet(table, 'prediction_head', structure.blocks.head, HIDDEN, ONE);
  } else {
    linear(table, 'proj_hidden', STATE, HIDDEN);
    linear(table, 'action_proj', ACTION, HIDDEN);
    table.set('pos_emb.weight', [CHUNK, HIDDEN]);
    mlpResNet(table, 'model', structure.layers, THREE_HIDDEN, ONE);
  }
  if (structure.learnedPool) table.set(STEP_WEIGHTS, [CHUNK]);
  return table;
}

export function hasLearnedPool({ pool }: ModelCard): boolean {
  return pool.kind === 'weighted' && pool.learned === true;
}

/** The size of an axis, or undefined when its dim is unknown. */
export function axisSize({ dim, times }: Axis, dims: Dims): number | undefined {
  if (dim === undefined) return times;
  const size = dims[dim];
  return size === undefined ? undefined : size * times;
}

/** Name and shape of every parameter that the card's model has. */
export function expectedParameters(card: ModelCard): ReadonlyMap<string, readonly number[]> {
  const { state_dim, action_dim, hidden, chunk } = card;
  const dims: Dims = { state_dim, action_dim, hidden, ...(chunk !== undefined && { chunk }) };
  const expected = new Map<string, number[]>();
  for (const [name, axes] of symbolicParameters({ ...card, learnedPool: hasLearnedPool(card) })) {
    // every dim of the table is set above: where `chunk` occurs, the card has it
    expected.set(
      name,
      axes.map((axis) => axisSize(axis, dims)!),
    );
  }
  return expected;
}
