/**
 * The global_context energy model (the report's "2D" context, one vector [D] a sample), in the same five graphs:
 * `x_t = concat(proj_hidden(c), SiLU(action_proj(a_t)), pos_emb[t])`, `r_t = MLPResNet(layers, 3h, h, 1)(x_t)`.
 * There is no attention: `attend` joins the context's vector to each step.
 */
import type { TokenDType } from '../engine/engine.js';
import { Graph } from '../graph/graph.js';
import { concat, expand, layerNorm, reshape, shapeOf, silu, slice, sum } from '../graph/ops.js';
import type { GlobalContextCard } from '../model/card.js';
import type { EnergyGraphs } from './graphs.js';
import { LAYER_NORM_EPSILON, linear, mlpResNet, trunk, type MlpResNet } from './layers.js';
import type { Linear, Parameters } from './parameters.js';
import { tokenInput } from './tokens.js';

export class GlobalContext implements EnergyGraphs {
  readonly contextNames = ['context'];
  readonly contextWidth: number;
  readonly queryWidth: number;
  readonly attendedWidth: number;
  private readonly net: MlpResNet;
  private readonly projHidden: Linear;
  private readonly actionProj: Linear;
  /** [chunk, h]. */
  private readonly positions: Float32Array;

  constructor(
    private readonly card: GlobalContextCard,
    parameters: Parameters,
  ) {
    const { state_dim, action_dim, hidden, layers, chunk } = card;
    this.net = mlpResNet(parameters, 'model', { inputs: 3 * hidden, hidden, outputs: 1, blocks: layers });
    this.projHidden = parameters.linear('proj_hidden', state_dim, hidden);
    this.actionProj = parameters.linear('action_proj', action_dim, hidden);
    this.positions = parameters.values('pos_emb.weight', [chunk, hidden]);
    this.contextWidth = hidden;
    this.queryWidth = 2 * hidden;
    this.attendedWidth = 3 * hidden;
  }

  slotShape(): readonly number[] {
    return [1, this.card.hidden];
  }

  queryPositions(steps: number): Float32Array {
    return this.positions.subarray(0, steps * this.card.hidden);
  }

  encode(dtype: TokenDType): Graph {
    const g = new Graph('encode');
    const { state_dim } = this.card;
    const tokens = tokenInput(g, 'tokens', dtype, ['T', state_dim]);
    const context = linear(g, 'proj_hidden', tokens, this.projHidden);
    // Only its statistics are used: the architecture has no norm here, and they tell whether the vector was finite.
    const ones = g.constant('ones', [state_dim], new Float32Array(state_dim).fill(1));
    const zeros = g.constant('zeros', [state_dim], new Float32Array(state_dim));
    const statistics = layerNorm(g, tokens, ones, zeros, LAYER_NORM_EPSILON);
    g.output('context', context);
    g.output('token_mean', reshape(g, statistics.mean, [-1]));
    g.output('token_inverse_std', reshape(g, statistics.inverseStd, [-1]));
    g.output('row_sum', sum(g, context, [1]));
    return g;
  }

  layOut(): Graph {
    const g = new Graph('lay_out');
    g.output('context_heads', g.input('context', 'float32', ['T', this.card.hidden]));
    return g;
  }

  query(): Graph {
    const g = new Graph('query');
    const { hidden, action_dim } = this.card;
    const actions = g.input('actions', 'float32', ['G', 'H', action_dim]);
    const positions = g.input('positions', 'float32', ['H', hidden]);
    const mapped = silu(g, linear(g, 'action_proj', actions, this.actionProj)); // [G, H, h]
    const everyStep = expand(g, positions, shapeOf(g, mapped), ['G', 'H', hidden]);
    const query = reshape(g, concat(g, [mapped, everyStep], 2), [-1, 2 * hidden]);
    g.output('query', query);
    g.output('row_sum', sum(g, query, [1]));
    return g;
  }

  attend(): Graph {
    const g = new Graph('attend');
    const { hidden } = this.card;
    const query = g.input('query', 'float32', ['Q', 2 * hidden]);
    const context = g.input('context_heads', 'float32', [1, hidden]);
    const rows = concat(g, [slice(g, shapeOf(g, query), 0, 0, 1), g.integers('width', [hidden])], 0);
    g.output('attended', concat(g, [expand(g, context, rows, ['Q', hidden]), query], 1));
    return g;
  }

  head(): Graph {
    const g = new Graph('head');
    const x = g.input('attended', 'float32', ['Q', 3 * this.card.hidden]);
    const { out } = trunk(g, 'model', x, this.net, this.card.activation);
    g.output('raw', reshape(g, linear(g, 'fc2', out, this.net.fc2), [-1]));
    g.output('row_sum', sum(g, x, [1]));
    return g;
  }
}
