/**
 * Checks a context, its tokens and its pad mask, against the card, before any of its bytes go to the engine.
 *
 * The mask: True (1) marks a token to ignore, unless the card says the reverse; its length is S, the number of context
 * tokens. Masked tokens cannot change a result, so all that the engine needs is where the visible ones are.
 */
import { invalid } from '../errors.js';
import { formatShape, type Tensor } from '../tensor/tensor.js';
import type { MaskPolarity, ModelCard } from './card.js';

/** Half-open token ranges, ascending, disjoint, none empty. */
export type Ranges = readonly (readonly [start: number, end: number])[];

/** Formats in which context tokens may arrive. */
export type TokenDType = 'float32' | 'float16' | 'bfloat16';

export interface CheckedContext {
  readonly dtype: TokenDType;
  /** S. */
  readonly tokens: number;
  /** Where the tokens are that count. */
  readonly visible: Ranges;
}

/**
 * Shape [S, D] ([D] or [1, D] for global_context), dtype float32, float16 or bfloat16, and the mask [S] of dtype bool or
 * uint8. Values are not looked at: the engine names non-finite tokens. Errors name `hidden` or `pad_mask` below `field`.
 */
export function checkContext(
  hidden: Tensor,
  mask: Tensor | undefined,
  card: ModelCard,
  field = '',
): CheckedContext {
  const at = (name: string): string => (field === '' ? name : `${field}.${name}`);
  const { dtype, shape } = hidden;
  if (dtype !== 'float32' && dtype !== 'float16' && dtype !== 'bfloat16') {
    throw invalid(at('hidden.dtype'), 'not a format of context tokens', {
      found: dtype,
      wanted: 'float32, float16 or bfloat16',
    });
  }
  const global = card.architecture === 'global_context';
  const rows = shape.length === 1 && global ? [1, shape[0]!] : shape;
  if (rows.length !== 2 || rows[1] !== card.state_dim || rows[0]! < 1 || (global && rows[0] !== 1)) {
    throw invalid(at('hidden.shape'), 'does not fit the model', {
      found: formatShape(shape),
      wanted: `${global ? `[${card.state_dim}] or [1, ${card.state_dim}]` : `[S, ${card.state_dim}], S >= 1`} for model ${card.name}`,
    });
  }
  const tokens = rows[0]!;
  const visible = visibleRanges(maskBytes(mask, at('pad_mask')), tokens, at('pad_mask'), card.mask_polarity);
  refuseSingleToken(visible, card, mask === undefined ? at('hidden') : at('pad_mask'));
  return { dtype, tokens, visible };
}

function maskBytes(mask: Tensor | undefined, field: string): Uint8Array | undefined {
  if (mask === undefined) return undefined;
  if (mask.dtype !== 'bool' && mask.dtype !== 'uint8') {
    throw invalid(`${field}.dtype`, 'not a mask', {
      found: mask.dtype,
      wanted: 'bool (or uint8 of 0 and 1)',
    });
  }
  if (mask.shape.length !== 1) {
    throw invalid(`${field}.shape`, 'one mask a context', { found: formatShape(mask.shape), wanted: '[S]' });
  }
  return mask.bytes;
}

/**
 * Ranges of the visible tokens (mask 0, or 1 where True means visible); without a mask all of them. Errors: length other
 * than `tokens`, a value other than 0 and 1, nothing visible.
 *
 * @param mask [S] of 0 and 1
 * @param tokens S
 */
export function visibleRanges(
  mask: Uint8Array | undefined,
  tokens: number,
  field = 'pad_mask',
  polarity: MaskPolarity = 'true_is_ignored',
): [start: number, end: number][] {
  const shown = polarity === 'true_is_visible' ? 1 : 0;
  if (tokens < 1) throw invalid(field, 'a context without tokens', { found: '0', wanted: 'at least one' });
  if (mask === undefined) return [[0, tokens]];
  if (mask.length !== tokens) {
    throw invalid(field, 'one entry a context token', {
      found: `${mask.length} entries, ${tokens} tokens`,
      wanted: `${tokens} entries`,
      mend: 'The action tokens stand inside the sequence: the length is S, not S+H',
    });
  }
  const ranges: [number, number][] = [];
  let start = -1;
  for (let i = 0; i < tokens; i++) {
    const value = mask[i]!;
    if (value > 1) {
      throw invalid(`${field}[${i}]`, 'not a truth value', {
        found: String(value),
        wanted: shown === 0 ? '0 (visible) or 1 (ignore)' : '0 (ignore) or 1 (visible)',
      });
    }
    if (value === shown && start < 0) start = i;
    if (value !== shown && start >= 0) {
      ranges.push([start, i]);
      start = -1;
    }
  }
  if (start >= 0) ranges.push([start, tokens]);
  if (ranges.length === 0) {
    throw invalid(field, 'no visible token', {
      found: `all ${tokens} masked`,
      wanted: `at least one ${shown}`,
      mend: `True means ${shown === 0 ? 'ignore' : 'visible'}: is the mask inverted?`,
    });
  }
  return ranges;
}

/** Total length of the ranges. */
export function visibleCount(ranges: Ranges): number {
  return ranges.reduce((sum, [start, end]) => sum + end - start, 0);
}

/**
 * Refuses one visible token on a cross_attention model: the softmax over a single key is 1 whatever the query, so every
 * action would get the same energy.
 */
export function refuseSingleToken(ranges: Ranges, card: ModelCard, field = 'pad_mask'): void {
  if (card.architecture !== 'cross_attention' || visibleCount(ranges) !== 1) return;
  throw invalid(field, 'a single visible token makes every energy equal (softmax over one key is 1)', {
    found: `token ${ranges[0]![0]} alone`,
    wanted: 'at least two visible tokens for a cross_attention model',
    mend: 'For a context of one vector use a global_context model',
  });
}

/** The pieces from which training built its mask. Give spans or flags, not both. */
export interface MaskPieces {
  /** S, the number of context tokens. */
  readonly tokens: number;
  /** Leading tokens that are always visible: image patches (and proprioception, where it stands with them). */
  readonly numPatches: number;
  /** Half-open ranges of action tokens, counted in context tokens from 0; all inside [numPatches, S - 1). */
  readonly actionSpans?: Ranges;
  /** 1 where a text token is an action token of the current step; [S - numPatches - 1]. */
  readonly currentActions?: Uint8Array;
  /** 1 where a text token is an action token of a later step; [S - numPatches - 1]. */
  readonly nextActions?: Uint8Array;
}

/**
 * The mask as training builds it, [S]: `[False x numPatches, extend(current | next), True]`. `extend` sets every position
 * from the last True on and leaves the earlier ones as they are; with no True it changes nothing. So patches and prompt are
 * visible, action tokens and what follows the last of them are not, and the end token never is.
 * Errors: pieces that contradict S or each other, each by name.
 */
export function maskFromPieces(pieces: MaskPieces, field = 'mask_pieces'): Uint8Array {
  const { tokens, numPatches, actionSpans, currentActions, nextActions } = pieces;
  if (!Number.isInteger(numPatches) || numPatches < 0 || numPatches > tokens - 1) {
    throw invalid(`${field}.num_patches`, 'patches and the end token must fit the context', {
      found: `${numPatches} patches, ${tokens} tokens`,
      wanted: `0 to ${tokens - 1}`,
    });
  }
  const flagged = currentActions !== undefined || nextActions !== undefined;
  if (flagged === (actionSpans !== undefined)) {
    throw invalid(field, 'where are the action tokens?', {
      found: flagged ? 'action_spans and flags' : 'neither action_spans nor flags',
      wanted: 'either action_spans or current_actions and next_actions',
    });
  }
  const mask = new Uint8Array(tokens);
  const textEnd = tokens - 1; // the end token
  let last = -1; // last action token
  const mark = (token: number): void => {
    mask[token] = 1;
    if (token > last) last = token;
  };
  for (const [i, [start, end]] of (actionSpans ?? []).entries()) {
    const whole = Number.isInteger(start) && Number.isInteger(end);
    if (!whole || start < numPatches || start >= end || end > textEnd) {
      throw invalid(`${field}.action_spans[${i}]`, 'not a range of text tokens', {
        found: `[${start}, ${end})`,
        wanted: `a non-empty range inside [${numPatches}, ${textEnd})`,
      });
    }
    mask.fill(1, start, end); // spans may overlap: a loop over all of their tokens could take long
    last = Math.max(last, end - 1);
  }
  const flags = [
    ['current_actions', currentActions],
    ['next_actions', nextActions],
  ] as const;
  for (const [name, values] of flags) {
    if (values === undefined) continue;
    const wanted = textEnd - numPatches;
    if (values.length !== wanted) {
      throw invalid(`${field}.${name}`, 'one flag a text token', {
        found: `${values.length} flags`,
        wanted: `${wanted} (${tokens} tokens less ${numPatches} patches and the end token)`,
      });
    }
    values.forEach((value, i) => {
      if (value > 1) {
        throw invalid(`${field}.${name}[${i}]`, 'not a truth value', {
          found: String(value),
          wanted: '0 or 1',
        });
      }
      if (value === 1) mark(numPatches + i);
    });
  }
  if (last >= 0) mask.fill(1, last);
  mask[textEnd] = 1;
  return mask;
}

/** A mask of `maskFromPieces` (True = ignore) as the card's masks are. */
export function polarised(mask: Uint8Array, { mask_polarity }: ModelCard): Uint8Array {
  return mask_polarity === 'true_is_visible' ? mask.map((value) => 1 - value) : mask;
}
