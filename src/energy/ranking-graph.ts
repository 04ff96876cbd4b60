/**
 * One context and N candidates as one graph, composed of the fragments that serve: the context is encoded once, merged
 * weights and all. For runtimes other than ours that rank: the plain graph (`single-graph.ts`) wants the context N times.
 */
import { Graph } from '../graph/graph.js';
import { reshape, unsqueeze } from '../graph/ops.js';
import type { ModelCard } from '../model/card.js';
import type { Tensor } from '../tensor/tensor.js';
import { energyFragments } from './architectures.js';
import { maskBias } from './cross-attention.js';
import { pooled, stepEnergies } from './readout-graph.js';
import { StoredParameters } from './stored-parameters.js';

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
