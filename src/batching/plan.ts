/**
 * Which waiting items make the next batch, and which pieces of them. Pure: no clock, no timer, no promise.
 *
 * The batch is a prefix of the queue's order, so nothing is overtaken because it is large. An item joins whole, as long as
 * the sum stays within the bounds and the batch, whose answers come together, is estimated to end before the earliest
 * deadline in it. The first item always joins; one that is larger than the bounds joins with a piece, alone, and waits for
 * its next turn with the rest: so no batch is larger than the bounds or one smallest piece, and whoever comes meanwhile waits
 * for no more than that. An item whose deadline could not be met even by batches of its own is hopeless: taken out and not
 * computed.
 */
import type { FairDeadlineQueue, QueueItem } from './queue.js';
import { NO_WORK, addSize, fits, subtractSize, type ServiceEstimate, type WorkSize } from './size.js';

/** An item that can be cut: `Job`. */
export interface CuttableItem extends QueueItem {
  readonly cells: { next(fits: (size: WorkSize) => boolean): Piece };
}

export interface BatchBounds extends WorkSize {
  /** Estimated engine time of a batch. */
  readonly ms: number;
}

export interface BatchPlan<T> {
  readonly turns: readonly { readonly job: T; readonly piece: Piece }[];
  readonly hopeless: readonly T[];
}

/** Takes the next batch out of the queue; the engine is expected to begin it now. */
export function planBatch<T extends CuttableItem>(
  queue: FairDeadlineQueue<T>,
  nowMs: number,
  estimate: Pick<ServiceEstimate, 'ms'>,
  bounds: BatchBounds,
): BatchPlan<T> {
  const within = (size: WorkSize): boolean => fits(size, bounds) && estimate.ms(size) <= bounds.ms;
  const turns: { job: T; piece: Piece }[] = [];
  const hopeless: T[] = [];
  let size = NO_WORK;
  let dueMs = Infinity;
  for (let item = queue.peek(); item !== undefined; item = queue.peek()) {
    if (nowMs + estimate.ms(item.size) > item.deadlineMs) {
      queue.remove(item);
      hopeless.push(item);
      continue;
    }
    const joined = addSize(size, item.size);
    const due = Math.min(dueMs, item.deadlineMs);
    if (turns.length > 0 && (!within(joined) || nowMs + estimate.ms(joined) > due)) break;
    const piece = item.cells.next(within);
    turns.push({ job: item, piece });
    if (!piece.final) {
      queue.takePiece(piece.size);
      break;
    }
    queue.take();
    size = joined;
    dueMs = due;
  }
  return { turns, hopeless };
}

/** Rows are cut at multiples of this, or of one chunk that is longer. */
const BLOCK_STEPS = 128;

export interface Piece {
  /** Contexts [from, to). */
  readonly from: number;
  readonly to: number;
  /** Candidates [first, last) of each; none when it only encodes. */
  readonly first: number;
  readonly last: number;
  /** Nothing is left after it. */
  readonly final: boolean;
  readonly size: WorkSize;
}

export interface CellsOptions {
  /** Tokens to encode by context; 0 for one that is encoded. */
  readonly tokens: readonly number[];
  /** N; 0 when the work ends with its contexts encoded. */
  readonly candidates: number;
  /** H. */
  readonly steps: number;
  /** Cost of a step, in steps scored. */
  readonly stepCost: number;
}

/**
 * A work's way through the engine, piece by piece. Its cells are contexts by candidates, row by row; a piece is a rectangle of
 * them, of whole rows or of a part of one, with the contexts that must be encoded for it. Other works go between two pieces.
 *
 * Invariants: pieces follow each other and cover every cell once; a context is encoded with its first piece; what fits
 * whole is one piece; a piece is larger than it may be only when it is one context to encode or one block of one row.
 * Cutting changes no bit of a result: linear work on steps is done row by row, and a context meets steps in blocks of at
 * least `BLOCK_STEPS`, or in all that the work has, where the runtime takes the same kernels as for more.
 */
export class Cells {
  readonly #options: CellsOptions;
  /** The next cell. */
  #context = 0;
  #candidate = 0;
  /** Its context is encoded. */
  #encoded = false;
  #left: WorkSize;

  constructor(options: CellsOptions) {
    this.#options = options;
    this.#left = this.#rows(0, options.tokens.length);
  }

  /** What is left to do. */
  get left(): WorkSize {
    return this.#left;
  }

  get begun(): boolean {
    return this.#context > 0 || this.#candidate > 0 || this.#encoded;
  }

  /** The next piece that fits, or the smallest. Pure: `advance` takes it. */
  next(fits: (size: WorkSize) => boolean): Piece {
    const { tokens, candidates } = this.#options;
    if (this.#candidate > 0) return this.#partOfRow(fits);
    const from = this.#context;
    let to = from;
    let size = NO_WORK;
    for (; to < tokens.length; to++) {
      const joined = addSize(size, this.#rows(to, to + 1));
      if (!fits(joined)) break;
      size = joined;
    }
    if (to > from) return { from, to, first: 0, last: candidates, final: to === tokens.length, size };
    return this.#partOfRow(fits);
  }

  /** Goes on behind a piece of `next`. */
  advance({ to, last, final, size }: Piece): void {
    const { candidates, tokens } = this.#options;
    const rowEnds = last === candidates;
    this.#context = rowEnds ? to : to - 1;
    this.#candidate = rowEnds ? 0 : last;
    this.#encoded = !rowEnds;
    this.#left = subtractSize(this.#left, size);
    if (final) this.#context = tokens.length;
  }

  /** Whether the context of a piece is encoded with it. */
  encodes(context: number): boolean {
    if (this.#options.tokens[context] === 0) return false;
    return context > this.#context || !this.#encoded;
  }

  /** Of the row at hand: its encoding alone, or as many blocks as fit, at least one. */
  #partOfRow(fits: (size: WorkSize) => boolean): Piece {
    const { tokens, candidates, steps } = this.#options;
    const from = this.#context;
    const to = from + 1;
    const first = this.#candidate;
    const block = Math.max(1, Math.ceil(BLOCK_STEPS / Math.max(1, steps)));
    const ends = (at: number): number => (candidates - (at + block) < block ? candidates : at + block);
    const encoding = this.encodes(from) ? { tokens: tokens[from]!, steps: 0, contexts: 1 } : NO_WORK;
    const upTo = (last: number): WorkSize => addSize(encoding, this.#steps(last - first));
    if (encoding.tokens > 0 && !fits(upTo(ends(first)))) {
      const final = candidates === 0 && to === tokens.length;
      return { from, to, first, last: first, final, size: encoding };
    }
    let last = ends(first);
    while (last < candidates && fits(upTo(ends(last)))) last = ends(last);
    return { from, to, first, last, final: last === candidates && to === tokens.length, size: upTo(last) };
  }

  #steps(candidates: number): WorkSize {
    const { steps, stepCost } = this.#options;
    return { tokens: 0, steps: candidates * steps * stepCost, contexts: 0 };
  }

  /** Whole rows, those at hand without the encoding that is done. */
  #rows(from: number, to: number): WorkSize {
    let size = NO_WORK;
    for (let i = from; i < to; i++) {
      const encodes = this.encodes(i);
      size = addSize(size, {
        tokens: encodes ? this.#options.tokens[i]! : 0,
        steps: 0,
        contexts: encodes ? 1 : 0,
      });
      size = addSize(size, this.#steps(this.#options.candidates));
    }
    return size;
  }
}
