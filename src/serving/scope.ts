/** One request on its way through the service, whatever protocol it came by: who asks, until when, how it is called. */
import type { RequestTrace } from '../tracing/request-trace.js';

export interface Caller {
  /** Fairness key of the queue. */
  readonly client: string;
  /** Owner of kept contexts; undefined where nobody is told apart. */
  readonly owner?: string;
  /** To be called when the request reaches its queue: it was expected there since its headers. */
  readonly arrived?: () => void;
}

export interface Scope {
  readonly requestId: string;
  readonly method: string;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** On `systemClock`; Infinity when none. */
  readonly deadlineMs: number;
  readonly startMs: number;
  /** Absent where nobody traces. */
  readonly trace?: RequestTrace;
  /** Set on the way, for log and metrics. */
  model?: string;
  /** When the engine's result came back. */
  resultMs?: number;
}
