/**
 * Energies of a batch as values of one graph, for losses and their gradients: B contexts, each encoded once, against the
 * batch's own chunks and against others. Parameters are inputs of the graph under their state-dict names.
 *
 *     const g = new Graph('swap');
 *     const batch = new BatchEnergies(g, card, { pairs: 8, steps: 8 });
 *     const matrix = batch.matrix();                                   // [B, B]
 *     const grads = gradientsOf(g, swap, [...batch.parameters.values()]);
 *
 * Inputs: `hidden` [C, S, D] of the given dtype ([C, D] for global_context), `pad_mask` bool [C, S] (cross_attention alone;
 * True = ignore), `actions` float32 [B, H, A], every parameter, and with dropout `dropout/NAME`: 0 for a dropped unit of the
 * queries, 1 / (1 - p) for a kept one, in the shape of the chunks with h in place of A. C = B unless the graph is of a part of
 * the batch's contexts alone, those of its first chunks; losses are over B all the same, so that those of all parts add up.
 */
import type { Graph } from '../graph/graph.js';
import { concat, mul, reshape, slice, softmax, sum, unsqueeze } from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { ModelCard } from '../model/card.js';
import type { TokenDType } from '../model/context.js';
import { hasLearnedPool, STEP_WEIGHTS } from '../model/parameters.js';
import { energyFragments } from './architectures.js';
import { maskBias } from './cross-attention.js';
import type { EnergyFragments } from './fragments.js';
import { InputParameters } from './input-parameters.js';
import { pooled, stepEnergies } from './readout-graph.js';
import { tokenInput } from './tokens.js';

export interface BatchOptions {
  /** B, fixed in the graph. */
  readonly pairs: number;
  /** C, fixed in the graph. Default B. */
  readonly contexts?: number;
  /** H, fixed in the graph. */
  readonly steps: number;
  /** Format of `hidden`. Default float32. */
  readonly dtype?: TokenDType;
  /** Takes masks of the queries' dropout as inputs, where the architecture has one. Default off. */
  readonly dropout?: boolean;
}

export class BatchEnergies {
  /** [B, H, A]. */
  readonly actions: Value;
  /** The contexts' own chunks, [C, H, A]. */
  readonly ownActions: Value;
  /** By state-dict name; complete once the batch is made. */
  readonly parameters: ReadonlyMap<string, Value>;
  /** The inputs `dropout/NAME` so far. */
  readonly dropouts: Value[] = [];
  readonly pairs: number;
  readonly contexts: number;
  readonly steps: number;
  private readonly fragments: EnergyFragments;
  private readonly context: readonly Value[];
  private readonly maskBias: Value | undefined;
  private readonly positions: Value;
  private readonly learnedPool: Value | undefined;
  private ownOfMatrix: Value | undefined;
  private madeMatrix: Value | undefined;

  constructor(
    readonly g: Graph,
    readonly card: ModelCard,
    private readonly options: BatchOptions,
  ) {
    const { pairs, contexts = pairs, steps, dtype = 'float32' } = options;
    const { state_dim, action_dim } = card;
    this.pairs = pairs;
    this.contexts = contexts;
    this.steps = steps;
    const parameters = new InputParameters(g);
    this.fragments = energyFragments(card, parameters);
    this.parameters = parameters.inputs;
    if (card.architecture === 'cross_attention') {
      const hidden = tokenInput(g, 'hidden', dtype, [contexts, 'S', state_dim]);
      this.context = this.encoded(hidden);
      const bias = maskBias(g, g.input('pad_mask', 'bool', [contexts, 'S']));
      this.maskBias = unsqueeze(g, bias, [1, 2]); // as it is added to logits [B, heads, Q, S]
    } else {
      this.context = this.encoded(unsqueeze(g, tokenInput(g, 'hidden', dtype, [contexts, state_dim]), [1]));
    }
    this.actions = g.input('actions', 'float32', [pairs, steps, action_dim]);
    this.ownActions = contexts === pairs ? this.actions : slice(g, this.actions, 0, 0, contexts);
    this.positions = this.fragments.positions(steps).in(g);
    if (hasLearnedPool(card)) this.learnedPool = softmax(g, parameters.matrix(STEP_WEIGHTS, [steps]).in());
  }

  /** E[i, j] = E(context i, chunk j of the batch), [C, B]. */
  matrix(): Value {
    const { g, contexts, pairs, steps } = this;
    if (!this.madeMatrix) {
      const query = reshape(g, this.query('actions', this.actions), [-1, this.fragments.queryWidth]); // [B*H, w]
      this.madeMatrix = this.energies(query, [contexts, pairs, steps]);
      const own = mul(g, this.madeMatrix, identity(g, contexts, pairs));
      this.ownOfMatrix = sum(g, own, [1]);
    }
    return this.madeMatrix;
  }

  /** E(context i, chunk i), [C]: the diagonal of the matrix where that is made anyway. */
  own(): Value {
    if (this.ownOfMatrix) return this.ownOfMatrix;
    return reshape(this.g, this.against('own', unsqueeze(this.g, this.ownActions, [1])), [this.contexts]);
  }

  /**
   * E(context i, chunk n of its own N), [C, N].
   *
   * @param name of the dropout input, where there is one
   * @param candidates [C, N, H, A]
   */
  against(name: string, candidates: Value): Value {
    const { g, contexts, steps } = this;
    const count = candidates.shape[1] as number;
    const rows = reshape(g, this.query(name, candidates), [0, -1, this.fragments.queryWidth]); // [C, N*H, w]
    return this.energies(rows, [contexts, count, steps]);
  }

  /** E(context i, chunk i) and E(context i, each of its N others) of one pass over the queries, [C] and [C, N]. */
  ownAndOthers(others: Value): { own: Value; others: Value } {
    const { g, contexts } = this;
    const count = others.shape[1] as number;
    if (this.ownOfMatrix) return { own: this.ownOfMatrix, others: this.against('negatives', others) };
    const all = this.against('negatives', concat(g, [unsqueeze(g, this.ownActions, [1]), others], 1));
    return {
      own: reshape(g, slice(g, all, 1, 0, 1), [contexts]),
      others: slice(g, all, 1, 1, 1 + count),
    };
  }

  private encoded(tokens: Value): Value[] {
    return this.fragments
      .encode(this.g, tokens)
      .matrices.map((matrix) => this.fragments.layOut(this.g, matrix));
  }

  /** Chunks [..., H, A] to queries [..., H, w]. */
  private query(name: string, chunks: Value): Value {
    const { queryWithDropout } = this.fragments;
    if (!this.options.dropout || !queryWithDropout) {
      return this.fragments.query(this.g, chunks, this.positions);
    }
    const shape = [...chunks.shape.slice(0, -1), this.card.hidden];
    const mask = this.g.input(`dropout/${name}`, 'float32', shape);
    this.dropouts.push(mask);
    return queryWithDropout(this.g, chunks, mask);
  }

  /** Queries [Q, w] of every context, or [C, Q, w] of each its own, to energies [C, N], Q = N*H. */
  private energies(query: Value, shape: readonly [contexts: number, chunks: number, steps: number]): Value {
    const { g, card } = this;
    const attended = this.fragments.attend(g, query, this.context, this.maskBias);
    const raw = reshape(g, this.fragments.head(g, attended).raw, shape);
    return pooled(g, card, stepEnergies(g, card, raw), this.learnedPool);
  }
}

/** 1 where row and column are the same, [rows, columns]. */
export function identity(g: Graph, rows: number, columns: number): Value {
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1;
  return g.constant('identity', [rows, columns], values);
}
