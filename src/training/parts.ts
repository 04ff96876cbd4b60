/**
 * A batch in parts of contexts, so that the memory of a step does not grow with the batch. Every loss that adds up over contexts
 * (`addsUp` of `energy/loss-terms.ts`) may be worked out so: a part meets all chunks of the batch with some of its contexts, and
 * losses and gradients of the parts are those of the batch in sum. Nothing that is large is done twice: the chunks' queries alone
 * are made once a part. A part's own chunks come first among its chunks, the others behind them in a ring.
 */
import type { TokenBatch } from '../energy/token-batch.js';
import { addsUp, type LossTerm } from '../energy/loss-terms.js';
import type { ModelCard } from '../model/card.js';

/** Contexts [first, first + contexts) of a batch. */
export interface BatchPart {
  readonly first: number;
  readonly contexts: number;
}

/** Bytes that a part's activations may take; below it a batch stays whole. Measured with `npm run bench:train`. */
export const PART_BYTES = 160 * 2 ** 20;

/** Values of width h that the way back needs of a token or of a query step, about: norms, activations, keys, values. */
const KEPT_WIDTHS = 8;
/** Logits and probabilities, or the gradients of both. */
const KEPT_LOGITS = 2;

/** What a step holds at once for each context, bytes, about. */
export function contextBytes(
  card: ModelCard,
  terms: readonly LossTerm[],
  { pairs, steps, tokens }: { readonly pairs: number; readonly steps: number; readonly tokens: number },
): number {
  const queries = steps * terms.reduce((sum, term) => sum + chunksOf(term, pairs), 0);
  const heads = card.architecture === 'cross_attention' ? card.heads : 0;
  const floats =
    tokens * (card.state_dim + KEPT_WIDTHS * card.hidden) +
    queries * (KEPT_WIDTHS * card.hidden + KEPT_LOGITS * heads * tokens);
  return Float32Array.BYTES_PER_ELEMENT * floats;
}

/** Chunks that a context meets in a loss. */
function chunksOf(term: LossTerm, pairs: number): number {
  switch (term.kind) {
    case 'swap':
    case 'margin':
      return pairs;
    case 'explicit':
      return 1 + term.negatives;
    case 'hinge':
      return 2;
    case 'alignment':
      return term.noises;
    case 'rank':
    case 'listwise':
      return term.candidates;
    case 'outcome':
      return 1;
  }
}

/**
 * The parts of a batch, in order: a power of two of them, so that batches of many lengths need few programs, each of at most
 * `partBytes` as far as single contexts allow. One where a loss does not add up.
 */
export function partsOf(
  terms: readonly LossTerm[],
  pairs: number,
  bytesOfContext: number,
  partBytes: number,
): BatchPart[] {
  let count = 1;
  if (terms.every(addsUp)) {
    while (count < pairs && Math.ceil(pairs / count) * bytesOfContext > partBytes) count *= 2;
  }
  const edges = Array.from({ length: count + 1 }, (_, i) => Math.floor((i * pairs) / count));
  return edges
    .slice(1)
    .map((end, i) => ({ first: edges[i]!, contexts: end - edges[i]! }))
    .filter(({ contexts }) => contexts > 0);
}

/** The rows of a part, of `pairs` rows in all; a view. */
export function rowsOf<Values extends Float32Array | Uint8Array>(
  values: Values,
  pairs: number,
  { first, contexts }: BatchPart,
): Values {
  const size = values.length / pairs;
  return values.subarray(first * size, (first + contexts) * size) as Values;
}

/** All `pairs` rows, the part's first, the others behind them in a ring. */
export function ringOf(values: Float32Array, pairs: number, { first }: BatchPart): Float32Array {
  if (first === 0) return values;
  const start = (first * values.length) / pairs;
  const ring = new Float32Array(values.length);
  ring.set(values.subarray(start));
  ring.set(values.subarray(0, start), values.length - start);
  return ring;
}

export function tokensOf(batch: TokenBatch, pairs: number, part: BatchPart): TokenBatch {
  const { bytes, padMask } = batch;
  return { ...batch, bytes: rowsOf(bytes, pairs, part), padMask: rowsOf(padMask, pairs, part) };
}
