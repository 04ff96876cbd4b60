/** What scoring takes, from messages: contexts, pools, scores. Checks by themselves only; the model's are `serving/checked-inputs`. */
import { invalid } from '../../errors.js';
import type { Context__Output } from '../../generated/action_energy/v1/Context.js';
import type { InlineContext__Output } from '../../generated/action_energy/v1/InlineContext.js';
import type { Pool__Output } from '../../generated/action_energy/v1/Pool.js';
import type { Score__Output } from '../../generated/action_energy/v1/Score.js';
import type { ModelCard, Pool } from '../../model/card.js';
import type { ChoiceScore } from '../../calibration/choice/candidate-table.js';
import type { Score } from '../../model/energy.js';
import type { ContextInput, InlineInput } from '../../serving/checked-inputs.js';
import { decodeFloatTensor, decodeTensor } from '../../wire/tensor-message.js';

/** The axes of chunks, for error texts. */
export function chunkAxes(card: ModelCard): string {
  return `[N, ${card.chunk ?? 'H'}, ${card.action_dim}]`;
}

/** Errors name the field below `field`. */
export function decodeInline(
  field: string,
  message: InlineContext__Output | null | undefined,
  card: ModelCard,
): InlineInput {
  const axes = card.architecture === 'global_context' ? `[${card.state_dim}]` : `[S, ${card.state_dim}]`;
  if (message === null || message === undefined) {
    throw invalid(field, 'missing', { found: 'nothing', wanted: `a context: hidden ${axes}` });
  }
  const hidden = decodeFloatTensor(`${field}.hidden`, message.hidden, axes);
  const mask = decodeMask(field, message);
  return { kind: 'inline', field, hidden, ...(mask && { mask }) };
}

function decodeMask(field: string, message: InlineContext__Output): InlineInput['mask'] {
  if (message.mask === 'padMask') return decodeTensor(`${field}.pad_mask`, message.padMask, '[S] BOOL');
  if (message.mask !== 'maskPieces' || !message.maskPieces) return undefined;
  const { numPatches, actionTokens } = message.maskPieces;
  return { numPatches, actionSpans: actionTokens.map(({ start, end }) => [start, end] as const) };
}

/** For a list of contexts. */
export function decodeContext(field: string, message: Context__Output, card: ModelCard): ContextInput {
  if (message.source !== 'contextId') return decodeInline(`${field}.inline`, message.inline, card);
  return { kind: 'kept', field: `${field}.context_id`, id: message.contextId ?? '' };
}

export function decodeScore(field: string, score: Score__Output | undefined): ChoiceScore {
  if (score === undefined || score === 'SCORE_UNSPECIFIED' || score === 'READOUT') return 'readout';
  if (score === 'LOGIT') return 'logit';
  if (score === 'CORRECTED') return 'corrected';
  throw invalid(field, 'unknown score', { found: String(score), wanted: 'READOUT, LOGIT or CORRECTED' });
}

/** A score that is the model's alone. */
export function decodeModelScore(field: string, score: Score__Output | undefined): Score {
  const decoded = decodeScore(field, score);
  if (decoded !== 'corrected') return decoded;
  throw invalid(field, 'a matrix has no corrected score', {
    found: 'CORRECTED',
    wanted: 'READOUT or LOGIT',
    mend: 'ScoreActions corrects the candidates of one context',
  });
}

export function decodePool(message: Pool__Output | null | undefined): Pool | undefined {
  switch (message?.kind) {
    case undefined:
      return undefined;
    case 'mean':
    case 'sum':
    case 'first':
      return { kind: message.kind };
    case 'weighted': {
      const weights = (message.weighted?.weights ?? []).map(Number);
      return weights.length === 0 ? { kind: 'weighted' } : { kind: 'weighted', weights };
    }
    case 'discount':
      return { kind: 'discount', gamma: Number(message.discount?.gamma) };
    case 'windowedMax':
      return { kind: 'windowed_max', window: message.windowedMax?.window ?? 0 };
  }
}
