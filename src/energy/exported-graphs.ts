/**
 * The graphs that `export` writes for other runtimes: the whole model as one.
 *
 * The plain one is term by term as PyTorch writes it (nothing merged, the context replicated by the caller), and the yardstick of the
 * factorised graphs. The ranking one takes one context and N candidates and is composed of the fragments that serve: the context is
 * encoded once, merged weights and all, where the plain one wants it N times.
 */
import { Graph } from '../graph/graph.js';
import {
  add,
  concat,
  expand,
  matmul,
  mul,
  reshape,
  shapeOf,
  silu,
  softmax,
  transpose,
  unsqueeze,
  where,
} from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { CrossAttentionCard, GlobalContextCard, ModelCard } from '../model/card.js';
import type { Tensor } from '../tensor/tensor.js';
import { energyFragments } from './architectures.js';
import { byHead, maskBias } from './cross-attention.js';
import { linear, mlpResNet, runResNet, positionalEncoding } from './layers.js';
import { pooled, stepEnergies } from './readout-graph.js';
import { StoredParameters } from './stored-parameters.js';

/** Newest operator set that exported graphs need: widely read, older than the engine's own. */
export const EXPORT_OPSET = 18;

/**
 * Inputs `hidden` float32 [B,S,D] ([B,D] for global_context, and then no mask), `actions` float32 [B,H,A], `pad_mask`
 * bool [B,S], True = ignore; outputs `energy` [B] and `steps` [B,H] (after the readout), float32.
 *
 * @param steps H, fixed in the graph because positions and pooling weights depend on it
 */
export function singleGraph(card: ModelCard, weights: ReadonlyMap<string, Tensor>, steps: number): Graph {
  const g = new Graph(card.name);
  const parameters = new StoredParameters(weights);
  const raw =
    card.architecture === 'cross_attention'
      ? crossAttention(g, card, parameters, steps)
      : globalContext(g, card, parameters, steps);
  const stepValues = stepEnergies(g, card, reshape(g, raw, [-1, steps])); // [B, H]
  g.output('energy', pooled(g, card, stepValues));
  g.output('steps', stepValues);
  return g;
}

function crossAttention(
  g: Graph,
  card: CrossAttentionCard,
  parameters: StoredParameters,
  steps: number,
): Value {
  const { state_dim, action_dim, hidden, heads, blocks, activation, layer_norm_eps: epsilon } = card;
  const hiddenStates = g.input('hidden', 'float32', ['B', 'S', state_dim]);
  const actions = g.input('actions', 'float32', ['B', steps, action_dim]);
  const mask = g.input('pad_mask', 'bool', ['B', 'S']);
  const mlp = (
    name: string,
    x: Value,
    inputs: number,
    outputs: number,
    count: number,
    normed = true,
  ): Value => {
    const net = mlpResNet(parameters, name, { inputs, hidden, outputs, blocks: count, epsilon, normed });
    return runResNet(g, name, x, net, activation).out[0]!;
  };

  const context = mlp('state_linear', hiddenStates, state_dim, hidden, blocks.state); // [B, S, h]
  const positions = g.constant('positions', [steps, hidden], positionalEncoding(steps, hidden));
  const normed = card.action_norm === 'layer_norm';
  const mapped = mlp('action_linear', actions, action_dim, hidden, blocks.action, normed);
  const queries = add(g, mapped, positions); // [B, H, h]
  const [toQuery, toKey, toValue] = parameters.projections('cross', hidden);
  const query = byHead(g, linear(g, 'query', queries, toQuery), heads); // [B, heads, H, w]
  const key = byHead(g, linear(g, 'key', context, toKey), heads); // [B, heads, S, w]
  const value = byHead(g, linear(g, 'value', context, toValue), heads);
  const root = g.constant('scale', [1], Float32Array.of(Math.sqrt(heads / hidden)));
  const scores = mul(g, matmul(g, query, transpose(g, key, [0, 1, 3, 2])), root); // [B, heads, H, S]
  const ignored = g.constant('ignored', [1], Float32Array.of(-Infinity));
  const visible = where(g, unsqueeze(g, mask, [1, 2]), ignored, scores);
  const attended = matmul(g, softmax(g, visible), value); // [B, heads, H, w]
  const joined = reshape(g, transpose(g, attended, [0, 2, 1, 3]), [0, 0, hidden]);
  const z = linear(g, 'out_proj', joined, parameters.linear('cross.out_proj', hidden, hidden));
  return mlp('prediction_head', z, hidden, 1, blocks.head); // [B, H, 1]
}

function globalContext(
  g: Graph,
  card: GlobalContextCard,
  parameters: StoredParameters,
  steps: number,
): Value {
  const { state_dim, action_dim, hidden, layers, chunk, activation, layer_norm_eps: epsilon } = card;
  const hiddenState = g.input('hidden', 'float32', ['B', state_dim]);
  const actions = g.input('actions', 'float32', ['B', steps, action_dim]);
  const context = linear(g, 'proj_hidden', hiddenState, parameters.linear('proj_hidden', state_dim, hidden));
  const mapped = silu(
    g,
    linear(g, 'action_proj', actions, parameters.linear('action_proj', action_dim, hidden)),
  );
  const positions = parameters.matrix('pos_emb.weight', [chunk, hidden]).in(g);
  const everywhere = shapeOf(g, mapped);
  const shape = ['B', steps, hidden];
  const x = concat(
    g,
    [
      expand(g, unsqueeze(g, context, [1]), everywhere, shape),
      mapped,
      expand(g, positions, everywhere, shape),
    ],
    2,
  ); // [B, H, 3h]
  const net = mlpResNet(parameters, 'model', {
    inputs: 3 * hidden,
    hidden,
    outputs: 1,
    blocks: layers,
    epsilon,
  });
  return runResNet(g, 'model', x, net, activation).out[0]!;
}

/**
 * Inputs `hidden` float32 [S,D] ([D] for global_context, and then no mask), `actions` float32 [N,H,A], `pad_mask` bool [S],
 * True = ignore; outputs `energy` [N] and `steps` [N,H] (after the readout), float32.
 *
 * @param steps H, fixed in the graph because positions and pooling weights depend on it
 */
export function rankingGraph(card: ModelCard, weights: ReadonlyMap<string, Tensor>, steps: number): Graph {
  const g = new Graph(card.name);
  const fragments = energyFragments(card, new StoredParameters(weights));
  const { state_dim, action_dim } = card;
  const cross = card.architecture === 'cross_attention';
  const hidden = cross
    ? g.input('hidden', 'float32', ['S', state_dim])
    : unsqueeze(g, g.input('hidden', 'float32', [state_dim]), [0]);
  const actions = g.input('actions', 'float32', ['N', steps, action_dim]);
  const bias = cross ? maskBias(g, g.input('pad_mask', 'bool', ['S'])) : undefined;
  const context = fragments.encode(g, hidden).matrices.map((matrix) => fragments.layOut(g, matrix));
  const positions = fragments.positions(steps).in(g);
  const query = reshape(g, fragments.query(g, actions, positions), [-1, fragments.queryWidth]); // [N*H, w]
  const { raw } = fragments.head(g, fragments.attend(g, query, context, bias));
  const stepValues = stepEnergies(g, card, reshape(g, raw, [-1, steps])); // [N, H]
  g.output('energy', pooled(g, card, stepValues));
  g.output('steps', stepValues);
  return g;
}
