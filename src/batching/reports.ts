/** What the scheduler says of works: to whoever measures it, and, as faults, to those whose work has no result. */
import { Fault } from '../errors.js';
import type { QueueRefusal } from './queue.js';
import type { BatchSummary, Work } from './work.js';

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

/** Every method is optional and must not throw. */
export interface SchedulerObserver {
  /** A batch came back. */
  onBatch?(report: BatchReport): void;
  /** A work ended without a result. */
  onReject?(reason: RejectReason, priority: Work['priority']): void;
  /** A work goes to the engine with this much time left; Infinity without a deadline. */
  onDequeue?(deadlineSlackMs: number): void;
}

const ELSEWHERE = { mend: 'Try another replica' };

const BOUNDS: Record<QueueRefusal, string> = {
  queue_full: 'too many requests are waiting',
  queue_bytes: 'waiting requests hold too much memory',
  client_share: 'this client has too many requests waiting',
};

/** Bounds of the retry hint: never at once, never so long that a client forgets. */
const MIN_RETRY_MS = 10;
const MAX_RETRY_MS = 10_000;

/** Beyond the queue's bounds; the hint is the time that the queue takes to drain. */
export function queueFault(refusal: QueueRefusal, drainMs: number): Fault {
  const retryAfterMs = Math.ceil(Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, drainMs)));
  return new Fault('exhausted', BOUNDS[refusal], { retryAfterMs, mend: `Try again in ${retryAfterMs} ms` });
}

/** Told on a call's headers: the answer would come this long after the deadline. */
export function lateFault(lateMs: number): Fault {
  const retryAfterMs = Math.ceil(Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, lateMs)));
  return new Fault('exhausted', 'the answer would come after the deadline: too much is waiting', {
    retryAfterMs,
    mend: `Try again in ${retryAfterMs} ms, allow more time, or ask another replica`,
  });
}

export function deadlineFault(): Fault {
  return new Fault('deadline', 'the deadline cannot be met', {
    mend: 'Allow more time, or send less at once',
  });
}

export function drainingFault(): Fault {
  return new Fault('unavailable', 'the server is draining', ELSEWHERE);
}

export function closedFault(): Fault {
  return new Fault('unavailable', 'the server is stopping', ELSEWHERE);
}

export function engineFault(cause: Fault): Fault {
  return new Fault('unavailable', 'the engine has stopped', { cause, ...ELSEWHERE });
}

/** What an aborted signal stands for: its reason when that is a fault, else `cancelled`. */
export function abortFault(signal: AbortSignal): Fault {
  const reason: unknown = signal.reason;
  if (reason instanceof Fault) return reason;
  return new Fault('cancelled', 'the caller gave up', { cause: reason });
}

export function abortReason(fault: Fault): RejectReason {
  return fault.kind === 'superseded' || fault.kind === 'deadline' ? fault.kind : 'cancelled';
}
