/** Contexts from messages to what the scheduler takes. */
import type { ContextRef } from '../../batching/work.js';
import type { EncodeItem } from '../../engine/engine.js';
import { invalid } from '../../errors.js';
import type { Context__Output } from '../../generated/action_energy/v1/Context.js';
import type { InlineContext__Output } from '../../generated/action_energy/v1/InlineContext.js';
import type { ModelCard } from '../../model/card.js';
import { checkContext } from '../../model/context.js';
import { maskFromPieces } from '../../model/mask.js';
import { makeTensor, type Tensor } from '../../tensor/tensor.js';
import { decodeFloatTensor, decodeTensor } from '../../wire/tensor.js';

/** Lengths of context ids; longer ones are not even looked up. */
const MAX_ID_LENGTH = 128;

export interface DecodedContext {
  readonly encode: Omit<EncodeItem, 'slot'>;
  /** Tokens that were sent, and how many of them are masked. */
  readonly tokens: number;
  readonly masked: number;
}

/**
 * Checks an inline context against the card. `move`: give the message's memory away with it.
 * Errors name the field below `field`: hidden, pad_mask, mask_pieces.
 */
export function decodeContext(
  field: string,
  message: InlineContext__Output | null | undefined,
  card: ModelCard,
  maxTokens: number,
  move: boolean,
): DecodedContext {
  const axes = card.architecture === 'global_context' ? `[${card.state_dim}]` : `[S, ${card.state_dim}]`;
  if (message === null || message === undefined) {
    throw invalid(field, 'missing', { found: 'nothing', wanted: `a context: hidden ${axes}` });
  }
  const hidden = decodeFloatTensor(`${field}.hidden`, message.hidden, axes);
  const rows = hidden.shape.length === 1 ? 1 : (hidden.shape[0] ?? 0);
  if (rows > maxTokens) {
    throw invalid(`${field}.hidden.shape[0]`, 'too many tokens', {
      found: String(rows),
      wanted: `at most ${maxTokens}`,
    });
  }
  const { dtype, tokens, visible } = checkContext(hidden, decodeMask(field, message, rows), card, field);
  const seen = visible.reduce((sum, [start, end]) => sum + end - start, 0);
  return { encode: { dtype, bytes: hidden.bytes, visible, move }, tokens, masked: tokens - seen };
}

function decodeMask(field: string, message: InlineContext__Output, tokens: number): Tensor | undefined {
  if (message.mask === 'padMask') return decodeTensor(`${field}.pad_mask`, message.padMask, '[S] BOOL');
  if (message.mask !== 'maskPieces' || !message.maskPieces) return undefined;
  const { numPatches, actionTokens } = message.maskPieces;
  const actionSpans = actionTokens.map(({ start, end }) => [start, end] as const);
  const mask = maskFromPieces({ tokens, numPatches, actionSpans }, `${field}.mask_pieces`);
  return makeTensor(`${field}.mask_pieces`, 'bool', [tokens], mask);
}

/** A kept context by id. Errors name `field`. */
export function keptContext(field: string, id: string | undefined): ContextRef {
  if (id === undefined || id === '' || id.length > MAX_ID_LENGTH) {
    throw invalid(field, 'not a context id', {
      found: id === undefined || id === '' ? 'nothing' : `${id.length} characters`,
      wanted: 'an id from PutContext or keep_context',
    });
  }
  return { kind: 'kept', id };
}

/** Either of the two, for a list of contexts. */
export function decodeContextRef(
  field: string,
  message: Context__Output,
  card: ModelCard,
  maxTokens: number,
  move: boolean,
): { readonly ref: ContextRef; readonly decoded?: DecodedContext } {
  if (message.source === 'contextId') return { ref: keptContext(`${field}.context_id`, message.contextId) };
  const decoded = decodeContext(`${field}.inline`, message.inline, card, maxTokens, move);
  return { ref: { kind: 'inline', encode: decoded.encode }, decoded };
}
