/** The graph of one loss with everything that a trainer reads of it: its gradient by every parameter and what it was made of. */
import { Graph } from '../graph/graph.js';
import { gradientsOf } from '../graph/differentiate/gradients.js';
import { sum } from '../graph/ops.js';
import type { ModelCard } from '../model/card.js';
import { BatchEnergies, type BatchOptions } from './batch-energies.js';
import { weightedLoss, type LossTerm } from './loss-terms.js';

/** What stands in front of a parameter's state-dict name in the name of its gradient. */
export const GRADIENT_PREFIX = 'grad/';

export interface GradientGraph {
  readonly graph: Graph;
  /** State-dict names of the parameters, each an input, in the order of the inputs. */
  readonly parameters: readonly string[];
  /** Names of the inputs that take dropout masks, with their shapes. */
  readonly dropouts: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/**
 * Inputs: those of `BatchEnergies` and of the terms (`negatives`, `noise`). Outputs: `loss` []; `loss/K` [] of each term, unweighted;
 * `positive_energy/K` and `negative_energy/K` [] where the term has them; `grad/NAME` by each parameter, in its shape; with
 * `actionGradient` also `action_grad` [B, H, A] of the sum of the energies by the actions.
 */
export function gradientGraph(
  card: ModelCard,
  terms: readonly { readonly term: LossTerm; readonly weight: number }[],
  options: BatchOptions & { readonly actionGradient?: boolean },
): GradientGraph {
  const g = new Graph('gradients');
  const batch = new BatchEnergies(g, card, options);
  const { loss, parts } = weightedLoss(batch, terms);
  g.output('loss', loss);
  for (const [index, part] of parts.entries()) {
    g.output(`loss/${index}`, part.loss);
    if (part.positive) g.output(`positive_energy/${index}`, part.positive);
    if (part.negative) g.output(`negative_energy/${index}`, part.negative);
  }
  const parameters = [...batch.parameters];
  const gradients = gradientsOf(
    g,
    loss,
    parameters.map(([, value]) => value),
  );
  for (const [index, [name]] of parameters.entries()) {
    g.output(`${GRADIENT_PREFIX}${name}`, gradients[index]!);
  }
  if (options.actionGradient) {
    const [slope] = gradientsOf(g, sum(g, batch.own(), [0]), [batch.actions]);
    g.output('action_grad', slope!);
  }
  return {
    graph: g,
    parameters: parameters.map(([name]) => name),
    dropouts: batch.dropouts.map(({ name, shape }) => ({ name, shape: shape as readonly number[] })),
  };
}
