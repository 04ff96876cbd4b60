/** What training makes of a model's card and weights: a bundle that serves. */
import type { ModelCard } from '../model/card.js';
import { learnedWeights } from '../model/energy.js';
import { STEP_WEIGHTS } from '../model/parameters.js';
import type { Weights } from '../model/weights.js';
import { float32Tensor } from '../tensor/tensor.js';
import type { ParameterValues } from './adamw.js';

/** The card that training began with, of the model that came out. Provenance goes: it tells of another checkpoint. */
export function trainedCard(
  card: ModelCard,
  name: string,
  tau: number,
  parameters: ParameterValues,
): ModelCard {
  const trained = { ...card, name, tau, pool: poolAfter(card, parameters) };
  delete trained.provenance;
  return trained;
}

/** Tensors over the memory of the values. */
export function trainedWeights(
  parameters: ParameterValues,
  shapes: ReadonlyMap<string, readonly number[]>,
): Weights {
  return new Map([...parameters].map(([name, values]) => [name, float32Tensor(shapes.get(name)!, values)]));
}

/** Weights of the steps that were learned go into the card. */
function poolAfter({ pool }: ModelCard, parameters: ParameterValues): ModelCard['pool'] {
  const logits = parameters.get(STEP_WEIGHTS);
  return logits === undefined ? pool : { kind: 'weighted', learned: true, weights: learnedWeights(logits) };
}
