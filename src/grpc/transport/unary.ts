/** What every call has in common: who, until when, how it ends, and its line in the log. */
import {
  status as Code,
  type Deadline,
  type Metadata,
  type ServerUnaryCall,
  type handleUnaryCall,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { systemClock } from '../../batching/clock.js';
import type { Work, WorkResult } from '../../batching/work.js';
import { Fault, toFault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { Decoded } from '../../wire/request.js';
import type { Caller, Callers } from './auth.js';
import type { Calls } from './calls-under-way.js';
import { callStatus, codeOf } from './status.js';
import { requestIdOf } from './request-id.js';
import type { ServedModel } from '../../serving/served-model.js';

export interface CallParts {
  readonly calls: Calls;
  readonly callers: Callers;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** One request on its way through its handler. */
export interface Scope {
  readonly requestId: string;
  readonly method: string;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** On `systemClock`; Infinity when none. */
  readonly deadlineMs: number;
  readonly startMs: number;
  /** Set by the handler, for log and metrics. */
  model?: string;
  /** When the engine's result came back. */
  resultMs?: number;
}

/** A gRPC deadline (wall clock) on `systemClock`. */
export function monotonicDeadline(deadline: Deadline): number {
  return Number(deadline) - Date.now() + systemClock.nowMs();
}

export function callerOf(callers: Callers, metadata: Metadata): Caller {
  return callers.get(metadata) ?? { client: 'unknown' };
}

/** The end of a request: one debug line, and the whole of an internal fault. Never tensors. */
export function logEnd(
  log: Logger,
  { requestId, method, model, startMs }: Pick<Scope, 'requestId' | 'method' | 'model' | 'startMs'>,
  fault?: Fault,
): void {
  const code = fault === undefined ? 'OK' : Code[codeOf(fault.kind)];
  const line = {
    requestId,
    method,
    model,
    code,
    ms: Math.round(1000 * (systemClock.nowMs() - startMs)) / 1000,
  };
  if (fault?.kind === 'internal') log.error({ ...line, err: fault }, 'internal error');
  else if (fault === undefined) log.debug(line, 'request');
  else log.debug({ ...line, fault: fault.message }, 'request');
}

/** Submits work in the name of the caller and measures its stages. */
export async function submitWork(
  metrics: Metrics,
  scope: Scope,
  model: ServedModel,
  work: Pick<Work, 'contexts' | 'actions' | 'hold'>,
  decodeMs: number,
): Promise<WorkResult> {
  const { client, owner } = scope.caller;
  const { deadlineMs, signal } = scope;
  const stage = (name: string, ms: number): void =>
    metrics.stageSeconds.observe({ model: model.name, stage: name }, ms / 1000);
  stage('decode', decodeMs);
  const result = await model.scheduler.submit({
    client,
    ...(owner === undefined ? {} : { owner }),
    deadlineMs,
    signal,
    priority: 'normal',
    ...work,
  });
  scope.resultMs = systemClock.nowMs();
  stage('queue', result.timings.queueMs);
  stage('encode', result.timings.encodeMs);
  stage('score', result.timings.scoreMs);
  return result;
}

export function measureRespond(metrics: Metrics, { model, resultMs }: Scope): void {
  if (model === undefined || resultMs === undefined) return;
  metrics.stageSeconds.observe({ model, stage: 'respond' }, (systemClock.nowMs() - resultMs) / 1000);
}

/** What a handler gets of a request that parsed. */
export type Parsed<T> = Extract<Decoded<T>, { ok: true }>;

/** A unary method: `handle` translates, this does everything around it. */
export function unary<Request, Response>(
  parts: CallParts,
  method: string,
  handle: (request: Parsed<Request>, scope: Scope) => Promise<Response> | Response,
): handleUnaryCall<Decoded<Request>, Response> {
  return (call, callback) => {
    const abort = new AbortController();
    const scope: Scope = {
      requestId: requestIdOf(call.metadata),
      method,
      caller: callerOf(parts.callers, call.metadata),
      signal: abort.signal,
      deadlineMs: monotonicDeadline(call.getDeadline()),
      startMs: systemClock.nowMs(),
    };
    const run = async (): Promise<void> => {
      let end = (): void => undefined;
      try {
        end = parts.calls.begin();
        if (!call.request.ok) throw call.request.fault;
        callback(null, await handle(call.request, scope));
        measureRespond(parts.metrics, scope);
        logEnd(parts.log, scope);
      } catch (error) {
        const fault = toFault(error);
        callback(callStatus(fault, scope.requestId));
        logEnd(parts.log, scope, fault);
      } finally {
        end();
      }
    };
    abortOnCancel(call, abort);
    void run();
  };
}

function abortOnCancel(
  call: Pick<ServerUnaryCall<unknown, unknown>, 'cancelled' | 'on'>,
  abort: AbortController,
): void {
  if (call.cancelled) abort.abort();
  call.on('cancelled', () => abort.abort());
}
