/** What the scheduler tells whoever measures it. Every method is optional and must not throw. */
import type { BatchSummary, Work } from './work.js';
import type { QueueRefusal } from './queue.js';

export type RejectReason =
  | QueueRefusal
  /** Larger than the context cache, or no room in it (encode-only work). */
  | 'context_cache'
  /** Expired before it was submitted or while it waited. */
  | 'deadline'
  /** Its deadline could not be met any more even if it were begun at once. */
  | 'hopeless'
  | 'cancelled'
  | 'superseded'
  | 'not_found'
  | 'draining'
  | 'engine_failed'
  /** The engine refused this work alone. */
  | 'engine_item';

export interface BatchReport extends BatchSummary {
  readonly background: boolean;
  readonly encodeMs: number;
  readonly scoreMs: number;
  /** From hand-over to result, on the scheduler's clock. */
  readonly wallMs: number;
}

export interface SchedulerObserver {
  /** A batch came back. */
  onBatch?(report: BatchReport): void;
  /** A work ended without a result. */
  onReject?(reason: RejectReason, priority: Work['priority']): void;
  /** A work goes to the engine with this much time left; Infinity without a deadline. */
  onDequeue?(deadlineSlackMs: number): void;
}
