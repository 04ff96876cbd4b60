/**
 * Which waiting items make the next batch. Pure: no clock, no timer, no promise.
 *
 * The batch is a prefix of the queue's order, so nothing is overtaken because it is large. An item joins whole or not
 * at all, as long as the sum stays in the budget and the batch, whose answers come together, is estimated to end before
 * the earliest deadline in it. The first item always joins: one larger than the whole budget goes alone. An item whose
 * deadline could not be met even by a batch of its own is hopeless: taken out and never computed.
 */
import type { ServiceEstimate } from './estimate.js';
import type { FairDeadlineQueue, QueueItem } from './queue.js';
import { NO_WORK, addSize, fits, type WorkSize } from './size.js';

export interface BatchPlan<T> {
  readonly admitted: readonly T[];
  readonly hopeless: readonly T[];
  /** Sum over `admitted`. */
  readonly size: WorkSize;
}

/** Takes the next batch out of the queue. `startMs`: when the engine is expected to begin it. */
export function planBatch<T extends QueueItem>(
  queue: FairDeadlineQueue<T>,
  startMs: number,
  estimate: Pick<ServiceEstimate, 'ms'>,
  budget: WorkSize,
): BatchPlan<T> {
  const admitted: T[] = [];
  const hopeless: T[] = [];
  let size = NO_WORK;
  let dueMs = Infinity;
  for (let item = queue.peek(); item !== undefined; item = queue.peek()) {
    if (startMs + estimate.ms(item.size) > item.deadlineMs) {
      queue.remove(item);
      hopeless.push(item);
      continue;
    }
    const joined = addSize(size, item.size);
    const due = Math.min(dueMs, item.deadlineMs);
    if (admitted.length > 0 && (!fits(joined, budget) || startMs + estimate.ms(joined) > due)) break;
    queue.take();
    admitted.push(item);
    size = joined;
    dueMs = due;
  }
  return { admitted, hopeless, size };
}
