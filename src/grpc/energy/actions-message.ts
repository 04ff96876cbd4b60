/** Action chunks from messages, checked against the card and the limits. */
import type { Config } from '../../config/schema.js';
import { invalid } from '../../errors.js';
import type { Tensor__Output } from '../../generated/action_energy/v1/Tensor.js';
import { checkActions, type ActionBatch } from '../../model/actions.js';
import type { ModelCard } from '../../model/card.js';
import { decodeFloatTensor } from '../../wire/tensor.js';

type Limits = Pick<Config['limits'], 'candidates' | 'steps' | 'scoredSteps'>;

/**
 * [N, H, A], or [H, A] for one chunk, as float32, to be scored against `contexts` contexts. `move`: the
 * message's memory is about to be moved away, so the values must not lie in it. Errors name `field`.
 */
export function decodeActions(
  field: string,
  message: Tensor__Output | null | undefined,
  contexts: number,
  card: ModelCard,
  limits: Limits,
  move: boolean,
): ActionBatch {
  const axes = `[N, ${card.chunk ?? 'H'}, ${card.action_dim}]`;
  const sent = decodeFloatTensor(field, message, axes);
  const tensor = sent.shape.length === 2 ? { ...sent, shape: [1, ...sent.shape] } : sent;
  const [candidates = 0, steps = 0] = tensor.shape;
  if (candidates > limits.candidates) {
    throw invalid(`${field}.shape[0]`, 'too many chunks', {
      found: String(candidates),
      wanted: `at most ${limits.candidates}`,
    });
  }
  if (card.chunk === undefined && steps > limits.steps) {
    throw invalid(`${field}.shape`, 'too many steps', {
      found: String(steps),
      wanted: `at most ${limits.steps}`,
    });
  }
  if (contexts * candidates * steps > limits.scoredSteps) {
    throw invalid(`${field}.shape`, 'too many steps to score', {
      found: `${contexts} contexts x ${candidates} chunks x ${steps} steps`,
      wanted: `at most ${limits.scoredSteps}`,
      mend: 'Split the request',
    });
  }
  const batch = checkActions(tensor, card, field);
  const shared = batch.values.buffer === sent.bytes.buffer;
  return move && shared ? { ...batch, values: batch.values.slice() } : batch;
}
