/**
 * The cross_attention energy model (the report, sections 1 and 2), factorised:
 *
 *   encode   visible tokens of several contexts [T,D]          -> K, V [T,h]            once a context
 *   layOut   one context's K, V [T,h]                          -> [heads,T,h/heads]     once a context
 *   query    packed action steps [G,H,A]                       -> Q [G*H,h]             once a candidate
 *   attend   one context's K, V and its rows of Q              -> Z [Q,h]               once a pair
 *   head     packed Z [Q,h]                                    -> raw per-step values [Q]
 *
 * `fc2` of each encoder and the attention's input projection are two linear maps in a row and are merged, together with
 * the positions and the 1/sqrt(h/heads) of the attention. Beside its result each graph yields one sum a row, which is
 * finite exactly when the row is (or sums to more than float32 holds, which is as wrong).
 */
import type { TokenDType } from '../engine/engine.js';
import { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { add, matmul, reshape, softmax, sum, transpose } from '../graph/ops.js';
import type { CrossAttentionCard } from '../model/card.js';
import type { EnergyGraphs } from './graphs.js';
import { linear, mlpResNet, trunk } from './layers.js';
import { compose, multiply, scaled, type Linear, type Parameters } from './parameters.js';
import { positionalEncoding } from './positions.js';
import { tokenInput } from './tokens.js';

export class CrossAttention implements EnergyGraphs {
  readonly contextNames = ['key', 'value'];
  readonly contextWidth: number;
  readonly queryWidth: number;
  readonly attendedWidth: number;
  private readonly toKey: Linear;
  private readonly toValue: Linear;
  private readonly toQuery: Linear;
  /** W_q of the positions' own path, scaled; no bias. */
  private readonly positionToQuery: Linear;
  private readonly net;
  private readonly outProjection: Linear;
  /** P W_q for as many steps as were asked for so far, [steps, h]: the longest prefix serves all. */
  private positions = new Float32Array(0);

  constructor(
    private readonly card: CrossAttentionCard,
    parameters: Parameters,
  ) {
    const { state_dim, action_dim, hidden, heads, blocks } = card;
    this.net = {
      state: mlpResNet(parameters, 'state_linear', {
        inputs: state_dim,
        hidden,
        outputs: hidden,
        blocks: blocks.state,
      }),
      action: mlpResNet(parameters, 'action_linear', {
        inputs: action_dim,
        hidden,
        outputs: hidden,
        blocks: blocks.action,
      }),
      head: mlpResNet(parameters, 'prediction_head', {
        inputs: hidden,
        hidden,
        outputs: 1,
        blocks: blocks.head,
      }),
    };
    const [query, key, value] = parameters.projections('cross', hidden);
    const scaledQuery = scaled(query, Math.sqrt(heads / hidden));
    this.toKey = compose(this.net.state.fc2, key);
    this.toValue = compose(this.net.state.fc2, value);
    this.toQuery = compose(this.net.action.fc2, scaledQuery);
    this.positionToQuery = { ...scaledQuery, bias: new Float32Array(hidden) };
    this.outProjection = parameters.linear('cross.out_proj', hidden, hidden);
    this.contextWidth = this.queryWidth = this.attendedWidth = hidden;
  }

  slotShape(tokens: number): readonly number[] {
    const { heads, hidden } = this.card;
    return [heads, tokens, hidden / heads];
  }

  /** The positions as they enter the queries: P W_q, [steps, h]. */
  queryPositions(steps: number): Float32Array {
    const { hidden } = this.card;
    if (this.positions.length < steps * hidden) {
      const encoded = positionalEncoding(steps, hidden);
      this.positions = Float32Array.from(multiply(encoded, steps, this.positionToQuery));
    }
    return this.positions.subarray(0, steps * hidden);
  }

  /** Inputs `tokens` [T,D]; outputs `key`, `value` [T,h], `token_mean`, `token_inverse_std`, `row_sum` [T]. */
  encode(dtype: TokenDType): Graph {
    const g = new Graph('encode');
    const tokens = tokenInput(g, 'tokens', dtype, ['T', this.card.state_dim]);
    const { out, input } = trunk(g, 'state_linear', tokens, this.net.state, this.card.activation);
    const key = linear(g, 'key', out, this.toKey);
    const value = linear(g, 'value', out, this.toValue);
    g.output('key', key);
    g.output('value', value);
    g.output('token_mean', reshape(g, input.mean, [-1]));
    g.output('token_inverse_std', reshape(g, input.inverseStd, [-1]));
    g.output('row_sum', add(g, sum(g, key, [1]), sum(g, value, [1])));
    return g;
  }

  /** Inputs `key`, `value` [T,h]; outputs `key_heads`, `value_heads` [heads,T,h/heads]. */
  layOut(): Graph {
    const g = new Graph('lay_out');
    for (const name of ['key', 'value']) {
      g.output(`${name}_heads`, this.headMajor(g, g.input(name, 'float32', ['T', this.card.hidden])));
    }
    return g;
  }

  /** Inputs `actions` [G,H,A], `positions` [H,h]; outputs `query` [G*H,h], `row_sum` [G*H]. */
  query(): Graph {
    const g = new Graph('query');
    const { hidden, action_dim } = this.card;
    const actions = g.input('actions', 'float32', ['G', 'H', action_dim]);
    const positions = g.input('positions', 'float32', ['H', hidden]);
    const { out } = trunk(g, 'action_linear', actions, this.net.action, this.card.activation);
    const query = reshape(g, add(g, linear(g, 'query', out, this.toQuery), positions), [-1, hidden]);
    g.output('query', query);
    g.output('row_sum', sum(g, query, [1]));
    return g;
  }

  /** Inputs `query` [Q,h], `key_heads`, `value_heads` [heads,T,h/heads]; output `attended` [Q,h]. */
  attend(): Graph {
    const g = new Graph('attend');
    const { hidden, heads } = this.card;
    const width = hidden / heads;
    const query = this.headMajor(g, g.input('query', 'float32', ['Q', hidden])); // [heads, Q, w]
    const key = g.input('key_heads', 'float32', [heads, 'T', width]);
    const value = g.input('value_heads', 'float32', [heads, 'T', width]);
    const weights = softmax(g, matmul(g, query, transpose(g, key, [0, 2, 1]))); // [heads, Q, T]
    const attended = matmul(g, weights, value); // [heads, Q, w]
    g.output('attended', reshape(g, transpose(g, attended, [1, 0, 2]), [0, hidden]));
    return g;
  }

  /** Input `attended` [Q,h]; outputs `raw` [Q], `row_sum` [Q] of the attention's output Z. */
  head(): Graph {
    const g = new Graph('head');
    const z = linear(
      g,
      'out_proj',
      g.input('attended', 'float32', ['Q', this.card.hidden]),
      this.outProjection,
    );
    const { out } = trunk(g, 'prediction_head', z, this.net.head, this.card.activation);
    g.output('raw', reshape(g, linear(g, 'fc2', out, this.net.head.fc2), [-1]));
    g.output('row_sum', sum(g, z, [1]));
    return g;
  }

  /** [rows, h] to [heads, rows, h/heads]. */
  private headMajor(g: Graph, x: Value): Value {
    const { hidden, heads } = this.card;
    return transpose(g, reshape(g, x, [0, heads, hidden / heads]), [1, 0, 2]);
  }
}
