/** An answer in the time that a control loop has: what of the server keeps it away becomes a value, and the caller goes on. */
import { systemClock } from '../batching/clock.js';
import { deadlineFault } from '../batching/reports.js';
import type { Stage } from '../engine/stages.js';
import { toFault, type Fault } from '../errors.js';
import type { Without } from '../selection/reasons.js';
import type { ServingParts } from './admission.js';
import type { Scope } from './scope.js';
import type { ServedModel } from './served-model.js';

interface Timed {
  /** Answer within this time; 0: well before the call's deadline. */
  readonly timeoutMs: number;
  /** What parsing the message took. */
  readonly decodeMs: number;
}

/** Of the time until the deadline, this is left for the way back to the caller. */
const RESERVE_SHARE = 0.2;
const LEAST_RESERVE_MS = 1;
const MOST_RESERVE_MS = 20;

/** When the answer must be known, on `systemClock`; Infinity without any deadline. */
function decideByMs({ timeoutMs, decodeMs }: Timed, { startMs, deadlineMs }: Scope): number {
  const left = Math.max(0, deadlineMs - startMs);
  const reserve = Math.min(MOST_RESERVE_MS, Math.max(LEAST_RESERVE_MS, RESERVE_SHARE * left));
  const asked = timeoutMs === 0 ? Infinity : startMs - decodeMs + timeoutMs;
  return Math.min(asked, deadlineMs - reserve);
}

/**
 * Scores unless something of the server is in the way; what that is comes back as a value. Errors: what is the caller's to mend.
 */
export async function inTime<Answer>(
  parts: Pick<ServingParts, 'metrics'>,
  model: ServedModel,
  request: Timed,
  scope: Scope,
  score: (inner: Scope) => Promise<Answer>,
): Promise<Answer | Without> {
  const byMs = decideByMs(request, scope);
  const refusal = model.scheduler.refusal(scope.caller.client);
  if (refusal !== undefined) {
    parts.metrics.rejections.inc({ model: model.name, reason: refusal.reason });
    return without(refusal.fault);
  }
  // what still waits, or runs, when the time is up ends then
  const late = new AbortController();
  const leave = (): void => late.abort(scope.signal.reason);
  scope.signal.addEventListener('abort', leave);
  if (scope.signal.aborted) leave();
  const cancel =
    byMs === Infinity
      ? undefined
      : systemClock.setTimer(byMs - systemClock.nowMs(), () => late.abort(deadlineFault()));
  const inner: Scope = { ...scope, deadlineMs: byMs, signal: late.signal };
  try {
    return await score(inner);
  } catch (error) {
    return without(toFault(error));
  } finally {
    cancel?.();
    scope.signal.removeEventListener('abort', leave);
    if (inner.resultMs !== undefined) scope.resultMs = inner.resultMs;
  }
}

/** Stages at which a value that is not finite is the model's, not the caller's. */
const RESULTS: readonly string[] = [
  'context_mapped',
  'action_mapped',
  'attention',
  'raw_steps',
  'action_gradient',
] satisfies Stage[];

/** The fault as the reason of an answer. Rethrows what the caller can mend, or has given up. */
export function without(fault: Fault): Without {
  const { kind, field, summary } = fault;
  switch (kind) {
    case 'deadline':
      return { without: 'deadline' };
    case 'exhausted':
      return { without: 'overload', detail: summary };
    case 'unavailable':
    case 'internal':
      return { without: 'engine' };
    case 'invalid':
      if (field === undefined || !(RESULTS.includes(field) || field.startsWith('energy['))) throw fault;
      return { without: 'engine', detail: `${field}: ${summary}` };
    default:
      throw fault;
  }
}
