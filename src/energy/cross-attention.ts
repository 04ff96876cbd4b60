/**
 * The cross_attention energy model (docs/model.md, "Architectures"), factorised:
 *
 *   encode   visible tokens [T,D]                              -> K, V [T,h]            once a context
 *   layOut   one of them [T,h]                                 -> [heads,T,h/heads]     once a context
 *   query    action steps [H,A]                                -> Q [H,h]               once a candidate
 *   attend   one context's K, V and rows of Q                  -> [Q,h]                 once a pair
 *   head     rows [Q,h]                                        -> raw per-step values [Q]
 *
 * `fc2` of each encoder and the attention's input projection are two linear maps in a row and are merged, together with
 * the positions and the 1/sqrt(h/heads) of the attention.
 */
import type { Graph } from '../graph/graph.js';
import { add, matmul, mul, reshape, softmax, transpose, where } from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { CrossAttentionCard } from '../model/card.js';
import type { EnergyFragments } from './fragments.js';
import { linear, mlpResNet, runResNet, positionalEncoding } from './layers.js';
import type { Linear, Matrix, Norm, Parameters } from './bound-parameters.js';

export function crossAttention<L extends Linear, N extends Norm, M extends Matrix>(
  card: CrossAttentionCard,
  parameters: Parameters<L, N, M>,
): EnergyFragments<M> {
  const { state_dim, action_dim, hidden, heads, blocks, activation, layer_norm_eps: epsilon } = card;
  const [plainQuery, key, value] = parameters.projections('cross', hidden);
  const toQuery = parameters.scaled(plainQuery, Math.sqrt(heads / hidden));
  const state = mlpResNet(
    parameters,
    'state_linear',
    { inputs: state_dim, hidden, outputs: hidden, blocks: blocks.state, epsilon },
    (fc2) => [parameters.compose(fc2, key), parameters.compose(fc2, value)],
  );
  const normed = card.action_norm === 'layer_norm';
  const actionSize = { inputs: action_dim, hidden, outputs: hidden, blocks: blocks.action, epsilon, normed };
  const action = mlpResNet(parameters, 'action_linear', actionSize, (fc2) => [
    parameters.compose(fc2, toQuery),
  ]);
  const head = mlpResNet(parameters, 'prediction_head', {
    inputs: hidden,
    hidden,
    outputs: 1,
    blocks: blocks.head,
    epsilon,
  });
  const outProjection = parameters.linear('cross.out_proj', hidden, hidden);

  return {
    contextNames: ['key', 'value'],
    contextWidth: hidden,
    queryWidth: hidden,
    attendedWidth: hidden,
    slotShape: (tokens) => [heads, tokens, hidden / heads],

    encode(g, tokens) {
      const { out, input } = runResNet(g, 'state_linear', tokens, state, activation);
      return { matrices: out, input: input! };
    },

    layOut: (g, matrix) => byHead(g, matrix, heads),

    /** P W_q: the positions as they enter the merged queries. */
    positions: (steps) => parameters.mapped(positionalEncoding(steps, hidden), toQuery),

    query(g, actions, positions) {
      const { out } = runResNet(g, 'action_linear', actions, action, activation);
      return add(g, out[0]!, positions);
    },

    /** `((fc2(...) + P) * dropout) W_q + b_q`: nothing can be merged across the dropout. */
    queryWithDropout(g, actions, dropout) {
      const steps = actions.shape.at(-2) as number;
      const net = mlpResNet(parameters, 'action_linear', actionSize);
      const { out } = runResNet(g, 'action_linear', actions, net, activation);
      const positions = g.constant('positions', [steps, hidden], positionalEncoding(steps, hidden));
      return linear(g, 'query', mul(g, add(g, out[0]!, positions), dropout), toQuery);
    },

    /** softmax(Q K^T + bias) V by head; Q carries the 1/sqrt(h/heads). */
    attend(g, query, [keyHeads, valueHeads], bias) {
      const products = matmul(g, byHead(g, query, heads), swapLast(g, keyHeads!)); // [heads, Q, T]
      const logits = bias ? add(g, products, bias) : products;
      const attended = matmul(g, softmax(g, logits), valueHeads!); // [heads, Q, h/heads]
      const rank = attended.shape.length;
      const kept = Array<number>(rank - 2).fill(0);
      return reshape(g, exchange(g, attended, rank - 3, rank - 2), [...kept, hidden]); // [Q, h]
    },

    head(g, attended) {
      const z = linear(g, 'out_proj', attended, outProjection);
      const { out } = runResNet(g, 'prediction_head', z, head, activation);
      return { raw: reshape(g, out[0]!, [-1]), watched: z };
    },
  };
}

/** [..., rows, h] to [..., heads, rows, h/heads]. */
export function byHead(g: Graph, x: Value, heads: number): Value {
  const hidden = x.shape.at(-1) as number;
  const kept = Array<number>(x.shape.length - 1).fill(0);
  const rank = x.shape.length + 1;
  return exchange(g, reshape(g, x, [...kept, heads, hidden / heads]), rank - 3, rank - 2);
}

/** [..., rows, columns] to [..., columns, rows]. */
function swapLast(g: Graph, x: Value): Value {
  return exchange(g, x, x.shape.length - 2, x.shape.length - 1);
}

function exchange(g: Graph, x: Value, one: number, other: number): Value {
  const perm = [...x.shape.keys()];
  [perm[one], perm[other]] = [other, one];
  return transpose(g, x, perm);
}

/** What is added to the logits of an attention: 0 where a token is visible, -inf where it is ignored; in the mask's shape. */
export function maskBias(g: Graph, padMask: Value): Value {
  const [ignored, seen] = [-Infinity, 0].map((value) => g.constant('bias', [1], Float32Array.of(value)));
  return where(g, padMask, ignored!, seen!);
}
