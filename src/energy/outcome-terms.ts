/**
 * Losses over what chunks came to, not over whose they are. An energy that tells experts from samples need not tell good
 * samples from bad; these were measured to (docs/training.md). With candidates of one context, each tried from the same saved
 * state, their costs order them: RankNet's pairwise logistic loss (Burges et al. 2005) and ListNet's top-one softmax (Cao et
 * al. 2007), inside a context alone. With the outcome of what was executed: a logistic loss.
 */
import { detach, logSoftmax, mul, neg, softplus, sub, sum, unsqueeze } from '../graph/ops.js';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import type { BatchEnergies } from './batch-energies.js';

export const OUTCOME_KINDS = ['rank', 'listwise', 'outcome'] as const;

export type OutcomeTerm =
  /**
   * `sum w_ij softplus((E_i - E_j) / tau)` over pairs of one context's candidates. Inputs `candidates` [C, N, H, A] and
   * `pair_weights` [C, N, N]: above 0 where candidate i cost less than j, summing to 1 over the batch; all 0 in a batch where none differ.
   */
  | { readonly kind: 'rank'; readonly tau: number; readonly candidates: number }
  /**
   * `-sum t_i log softmax(-E / tau)_i`. Inputs `candidates` and `target_weights` [C, N]: on the cheapest candidates of each
   * context that has cheaper and dearer ones, summing to 1 over the batch.
   */
  | { readonly kind: 'listwise'; readonly tau: number; readonly candidates: number }
  /**
   * `mean softplus(s (E - m) / tau)` over the batch's own chunks, s = +1 after success and -1 after failure, m the batch's mean
   * energy, not differentiated: it has no zero point of its own. Input `outcome_signs` [B].
   */
  | { readonly kind: 'outcome'; readonly tau: number };

export function outcomeLoss(batch: BatchEnergies, term: OutcomeTerm): { readonly loss: Value } {
  const { g, contexts, pairs } = batch;
  if (term.kind === 'outcome') {
    const signs = g.input('outcome_signs', 'float32', [pairs]);
    const own = batch.own();
    const centre = detach(g, times(g, total(g, own), 1 / pairs));
    const wrong = mul(g, signs, times(g, sub(g, own, centre), 1 / term.tau));
    return { loss: times(g, total(g, softplus(g, wrong)), 1 / pairs) };
  }
  const energies = candidateEnergies(batch, term.candidates); // [C, N]
  const scaled = times(g, energies, 1 / term.tau);
  if (term.kind === 'rank') {
    const weights = g.input('pair_weights', 'float32', [contexts, term.candidates, term.candidates]);
    const apart = sub(g, unsqueeze(g, scaled, [2]), unsqueeze(g, scaled, [1])); // [i, j] = (E_i - E_j) / tau
    return { loss: total(g, mul(g, weights, softplus(g, apart))) };
  }
  const targets = g.input('target_weights', 'float32', [contexts, term.candidates]);
  return { loss: neg(g, total(g, mul(g, targets, logSoftmax(g, neg(g, scaled))))) };
}

/** E of each context by its own candidates, [C, N], worked out once for all terms. */
function candidateEnergies(batch: BatchEnergies, count: number): Value {
  const { card, g, contexts, steps } = batch;
  const known = g.inputs.find(({ name }) => name === 'candidates');
  const candidates = known ?? g.input('candidates', 'float32', [contexts, count, steps, card.action_dim]);
  return batch.against('candidates', candidates);
}

function total(g: Graph, x: Value): Value {
  return sum(g, x, [...x.shape.keys()]);
}

function times(g: Graph, x: Value, factor: number): Value {
  return mul(g, x, g.constant('factor', [], Float32Array.of(factor)));
}
