/** Parameters whose gradient is 0 by algebra, and noise by arithmetic. */
import type { LossTerm } from '../energy/loss-terms.js';
import type { ModelCard } from '../model/card.js';

/** Elements [start, end) of a parameter. */
export interface Vanishing {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Losses that do not change when every energy grows by the same. */
const DIFFERENCES = new Set<LossTerm['kind']>([
  'swap',
  'explicit',
  'margin',
  'alignment',
  'rank',
  'listwise',
]);

/**
 * Parameters that the loss does not depend on, though the graph reads them. A bias of the keys adds the same to all logits of
 * a query, which a softmax does not see; the last two biases under a linear readout add the same to all energies. Their gradient is
 * 0, and what float32 leaves of it, some 1e-9, is noise of which AdamW would make steps as large as any other.
 */
export function vanishingParts(card: ModelCard, kinds: readonly LossTerm['kind'][]): Vanishing[] {
  const cross = card.architecture === 'cross_attention';
  const parts: Vanishing[] = [];
  if (cross) parts.push({ name: 'cross.in_proj_bias', start: card.hidden, end: 2 * card.hidden });
  if (card.readout.kind === 'linear' && kinds.every((kind) => DIFFERENCES.has(kind))) {
    const head = cross ? 'prediction_head' : 'model';
    parts.push({ name: `${head}.fc2.bias`, start: 0, end: 1 });
    parts.push({ name: `${head}.layer_norm2.bias`, start: 0, end: card.hidden });
  }
  return parts;
}
