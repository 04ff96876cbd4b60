/** The architectures by name: the one place where a card decides which fragments a model has. */
import type { ModelCard } from '../model/card.js';
import { crossAttention } from './cross-attention.js';
import type { EnergyFragments } from './fragments.js';
import { globalContext } from './global-context.js';
import type { Linear, Matrix, Norm, Parameters } from './bound-parameters.js';

export function energyFragments<L extends Linear, N extends Norm, M extends Matrix>(
  card: ModelCard,
  parameters: Parameters<L, N, M>,
): EnergyFragments<M> {
  return card.architecture === 'cross_attention'
    ? crossAttention(card, parameters)
    : globalContext(card, parameters);
}
