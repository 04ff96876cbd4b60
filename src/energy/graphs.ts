/**
 * The five graphs that every architecture is factorised into, and what the engine needs to know of the tensors between
 * them. A context is encoded once however many candidates it is scored against; linear work on steps is packed over
 * candidates and requests; only `attend` sees a context and its own steps together.
 *
 *   encode -> layOut -> (slot)          query -> attend(slot) -> head -> raw per-step values
 */
import type { TokenDType } from '../engine/engine.js';
import type { Graph } from '../graph/graph.js';
import type { ModelCard } from '../model/card.js';
import type { Tensor } from '../tensor/tensor.js';
import { CrossAttention } from './cross-attention.js';
import { GlobalContext } from './global-context.js';
import { Parameters } from './parameters.js';

export interface EnergyGraphs {
  /**
   * `tokens` [T,D] of one or several contexts. Outputs: `contextNames` [T, contextWidth] each; `token_mean` and
   * `token_inverse_std` [T], finite and positive exactly when the token is usable; `row_sum` [T], finite exactly when
   * the result is.
   */
  encode(dtype: TokenDType): Graph;
  /** `contextNames` of one context [T, contextWidth]; outputs `<name>_heads`, the layout that `attend` reads. */
  layOut(): Graph;
  /** `actions` [G,H,A], `positions` [H,h]; outputs `query` [G*H, queryWidth] and `row_sum` [G*H]. */
  query(): Graph;
  /** `query` [Q, queryWidth] and one context's `<name>_heads`; output `attended` [Q, attendedWidth]. */
  attend(): Graph;
  /** `attended` [Q, attendedWidth]; outputs `raw` [Q] and `row_sum` [Q]. */
  head(): Graph;
  /** Rows that the query graph adds or joins for the steps 0..H-1, [H,h]. */
  queryPositions(steps: number): Float32Array;

  readonly contextNames: readonly string[];
  readonly contextWidth: number;
  readonly queryWidth: number;
  readonly attendedWidth: number;
  /** Shape of one `<name>_heads` for T tokens. */
  slotShape(tokens: number): readonly number[];
}

export function energyGraphs(card: ModelCard, weights: ReadonlyMap<string, Tensor>): EnergyGraphs {
  const parameters = new Parameters(weights);
  return card.architecture === 'cross_attention'
    ? new CrossAttention(card, parameters)
    : new GlobalContext(card, parameters);
}
