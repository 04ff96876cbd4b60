/** A gRPC call as a request of the service: who, until when, and its line in the log. */
import { status as Code, type Deadline, type Metadata } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { systemClock } from '../../batching/clock.js';
import { Fault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { Caller, Scope } from '../../serving/scope.js';
import type { CallTraces } from './call-traces.js';
import type { CallsUnderWay } from './calls-under-way.js';
import { requestIdOf } from './request-id.js';
import { codeOf } from './status.js';

/** Callers by the metadata object of their call, which grpc-js hands on to the handler; the gate notes them. */
export type Callers = WeakMap<Metadata, Caller>;

export interface CallParts {
  readonly calls: CallsUnderWay;
  readonly callers: Callers;
  readonly traces: CallTraces;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** A gRPC deadline (wall clock) on `systemClock`. */
export function monotonicDeadline(deadline: Deadline): number {
  return Number(deadline) - Date.now() + systemClock.nowMs();
}

export function isLate(call: { getDeadline(): Deadline }): boolean {
  return Date.now() >= Number(call.getDeadline());
}

/** Errors: `internal` for a call that came past the gate. Nobody is served without a name. */
export function callerOf(callers: Callers, metadata: Metadata): Caller {
  const caller = callers.get(metadata);
  if (caller === undefined)
    throw new Fault('internal', 'a call came past the gate: nobody knows whose it is');
  return caller;
}

/** Begins now. Errors: `internal` for a call that came past the gate. */
export function scopeOf(
  { callers, traces }: Pick<CallParts, 'callers' | 'traces'>,
  call: { readonly metadata: Metadata; getDeadline(): Deadline },
  method: string,
  signal: AbortSignal,
): Scope {
  const requestId = requestIdOf(call.metadata);
  const trace = traces.of(call.metadata);
  trace?.note('action_energy.request_id', requestId);
  return {
    requestId,
    method,
    caller: callerOf(callers, call.metadata),
    signal,
    deadlineMs: monotonicDeadline(call.getDeadline()),
    startMs: systemClock.nowMs(),
    ...(trace && { trace }),
  };
}

/** The end of a request: one debug line, and the whole of an internal fault. Never tensors. */
export function logEnd(
  log: Logger,
  {
    requestId,
    method,
    model,
    startMs,
    trace,
  }: Pick<Scope, 'requestId' | 'method' | 'model' | 'startMs' | 'trace'>,
  fault?: Fault,
): void {
  const code = fault === undefined ? 'OK' : Code[codeOf(fault.kind)];
  const line = {
    requestId,
    method,
    model,
    code,
    ms: Math.round(1000 * (systemClock.nowMs() - startMs)) / 1000,
    ...trace?.ids,
  };
  if (fault?.kind === 'internal') log.error({ ...line, err: fault }, 'internal error');
  else if (fault === undefined) log.debug(line, 'request');
  else log.debug({ ...line, fault: fault.message }, 'request');
}
