/**
 * The global_context energy model (the report's "2D" context, one vector [D] a sample), in the same fragments:
 * `x_t = concat(proj_hidden(c), SiLU(action_proj(a_t)), pos_emb[t])`, `r_t = MLPResNet(layers, 3h, h, 1)(x_t)`.
 * There is no attention: `attend` joins the context's vector to each step.
 */
import type { Shape } from '../graph/dims.js';
import type { Graph } from '../graph/graph.js';
import { concat, expand, layerNorm, reshape, shapeOf, silu, slice } from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { GlobalContextCard } from '../model/card.js';
import type { EnergyFragments } from './fragments.js';
import { linear, mlpResNet, runResNet } from './layers.js';
import type { Linear, Matrix, Norm, Parameters } from './bound-parameters.js';

export function globalContext<L extends Linear, N extends Norm, M extends Matrix>(
  card: GlobalContextCard,
  parameters: Parameters<L, N, M>,
): EnergyFragments<M> {
  const { state_dim, action_dim, hidden, layers, chunk, activation, layer_norm_eps: epsilon } = card;
  const net = mlpResNet(parameters, 'model', {
    inputs: 3 * hidden,
    hidden,
    outputs: 1,
    blocks: layers,
    epsilon,
  });
  const projHidden = parameters.linear('proj_hidden', state_dim, hidden);
  const actionProj = parameters.linear('action_proj', action_dim, hidden);
  const table = parameters.matrix('pos_emb.weight', [chunk, hidden]);

  return {
    contextNames: ['context'],
    contextWidth: hidden,
    queryWidth: 2 * hidden,
    attendedWidth: 3 * hidden,
    slotShape: () => [1, hidden],

    encode(g, tokens) {
      const context = linear(g, 'proj_hidden', tokens, projHidden);
      // The architecture has no norm here; only the statistics are read, which tell whether the vector was finite.
      const ones = g.constant('ones', [state_dim], new Float32Array(state_dim).fill(1));
      const zeros = g.constant('zeros', [state_dim], new Float32Array(state_dim));
      return { matrices: [context], input: layerNorm(g, tokens, ones, zeros, epsilon) };
    },

    layOut: (_, matrix) => matrix,

    /** Every chunk has as many steps as the table has rows: the card sees to it. */
    positions: () => table,

    query(g, actions, positions) {
      const mapped = silu(g, linear(g, 'action_proj', actions, actionProj)); // [H, h]
      const everyStep = expand(g, positions, shapeOf(g, mapped), mapped.shape);
      return concat(g, [mapped, everyStep], mapped.shape.length - 1);
    },

    /** The context [1, h] beside each step [Q, 2h]. */
    attend(g, steps, [context]) {
      const batch = context!.shape.slice(0, -2);
      const query = steps.shape.length > 2 ? steps : repeated(g, steps, context!, batch);
      const rank = query.shape.length;
      const rows = concat(g, [slice(g, shapeOf(g, query), 0, 0, rank - 1), g.integers('width', [hidden])], 0);
      const everyStep = expand(g, context!, rows, [...query.shape.slice(0, -1), hidden]);
      return concat(g, [everyStep, query], rank - 1);
    },

    head(g, attended) {
      const { out } = runResNet(g, 'model', attended, net, activation);
      return { raw: reshape(g, out[0]!, [-1]), watched: attended };
    },
  };
}

/** [Q, w] once for each context of a batch, [..., Q, w]. */
function repeated(g: Graph, steps: Value, context: Value, batch: Shape): Value {
  if (batch.length === 0) return steps;
  const target = concat(g, [slice(g, shapeOf(g, context), 0, 0, batch.length), shapeOf(g, steps)], 0);
  return expand(g, steps, target, [...batch, ...steps.shape]);
}
