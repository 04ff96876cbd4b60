/**
 * Which waiting items make the next batch. Pure: no clock, no timer, no promise.
 *
 * The batch is a prefix of the queue's order, so nothing is overtaken because it is large. An item joins whole, as long as
 * the sum stays within the bounds and the batch, whose answers come together, is estimated to end before the earliest
 * deadline in it. The first item always joins; one that is larger than the bounds joins with a piece, alone, and waits for
 * its next turn with the rest: so no batch is larger than the bounds or one smallest piece, and whoever comes meanwhile waits
 * for no more than that. An item whose deadline could not be met even by batches of its own is hopeless: taken out and not
 * computed.
 */
import type { ServiceEstimate } from './estimate.js';
import type { Piece } from './pieces.js';
import type { FairDeadlineQueue, QueueItem } from './queue.js';
import { NO_WORK, addSize, fits, type WorkSize } from './size.js';

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
