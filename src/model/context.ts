/** Checks a context against the card, before any of its bytes go to the engine. */
import { invalid } from '../errors.js';
import { formatShape, type Tensor } from '../tensor/tensor.js';
import type { ModelCard } from './card.js';
import { refuseSingleToken, visibleRanges, type Ranges } from './mask.js';

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
