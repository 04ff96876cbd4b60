/**
 * The gradient of energies by the actions, dE/dA, for one encoded context and G chunks, composed of the fragments that serve.
 * Each energy depends on its own chunk alone, so the gradient of their sum is the gradient of each.
 */
import { gradientsOf } from '../graph/differentiate/gradients.js';
import { Graph } from '../graph/graph.js';
import { mul, reshape, sum } from '../graph/ops.js';
import type { ModelCard } from '../model/card.js';
import type { Score } from '../model/energy.js';
import { contextInputs, type EnergyFragments } from './fragments.js';
import { highestWindow, stepEnergies } from './readout-graph.js';

export interface GradientOf {
  /** H, fixed in the graph. */
  readonly steps: number;
  readonly score: Score;
  /** Window of a windowed maximum; absent: a weighted sum, whose weights are an input. */
  readonly window?: number;
}

/**
 * Inputs: `actions` [G, H, A], `positions` [H, h], one context's `<name>_heads`, and without a window `pool` [H]. Output:
 * `slope` [G, H, A].
 */
export function actionGradientGraph(
  card: ModelCard,
  fragments: EnergyFragments,
  { steps, score, window }: GradientOf,
): Graph {
  const g = new Graph('action_gradient');
  const actions = g.input('actions', 'float32', ['G', steps, card.action_dim]);
  const positions = g.input('positions', 'float32', [steps, card.hidden]);
  const query = reshape(g, fragments.query(g, actions, positions), [-1, fragments.queryWidth]); // [G*H, w]
  const { raw } = fragments.head(g, fragments.attend(g, query, contextInputs(g, fragments)));
  const values = reshape(g, raw, [-1, steps]); // [G, H]
  const stepValues = score === 'logit' ? values : stepEnergies(g, card, values);
  const energies =
    window === undefined
      ? sum(g, mul(g, stepValues, g.input('pool', 'float32', [steps])), [1])
      : highestWindow(g, stepValues, window);
  const [slope] = gradientsOf(g, sum(g, energies, [0]), [actions]);
  g.output('slope', slope!);
  return g;
}
