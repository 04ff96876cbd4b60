/**
 * A gRPC call as a request of the service: whose, until when, under which id and trace, its line in the log, and what a stopping
 * server waits for.
 */
import { randomBytes } from 'node:crypto';
import {
  propagation,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  trace as api,
  type TextMapGetter,
} from '@opentelemetry/api';
import { status as Code, type Deadline, type Metadata } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { systemClock } from '../../batching/clock.js';
import { Fault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { Caller, Scope } from '../../serving/scope.js';
import { RequestTrace } from '../../tracing/request-trace.js';
import { codeOf } from './status.js';

/** Callers by the metadata object of their call, which grpc-js hands on to the handler; the gate notes them. */
export type Callers = WeakMap<Metadata, Caller>;

/** Errors: `internal` for a call that came past the gate. Nobody is served without a name. */
export function callerOf(callers: Callers, metadata: Metadata): Caller {
  const caller = callers.get(metadata);
  if (caller === undefined)
    throw new Fault('internal', 'a call came past the gate: nobody knows whose it is');
  return caller;
}

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

const REQUEST_ID = 'x-request-id';
const WELL_FORMED = /^[A-Za-z0-9._:-]{1,64}$/;

/** The id by which a client's error and the server's log find each other: the client's own `x-request-id` when it is well-formed, else a new one, which the metadata then holds. */
export function requestIdOf(metadata: Metadata): string {
  const [given] = metadata.get(REQUEST_ID);
  if (typeof given === 'string' && WELL_FORMED.test(given)) return given;
  const made = randomBytes(8).toString('hex');
  metadata.set(REQUEST_ID, made);
  return made;
}

const HEADERS: TextMapGetter<Metadata> = {
  keys: (metadata) => Object.keys(metadata.getMap()),
  get: (metadata, key) => metadata.get(key).filter((value) => typeof value === 'string'),
};

/** What the semantic conventions for gRPC count as an error of a server. */
const SERVER_ERRORS: ReadonlySet<Code> = new Set([
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.UNIMPLEMENTED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
  Code.DATA_LOSS,
]);

/** With the status of the call, or of the message of a stream. */
export function endTrace(trace: RequestTrace | undefined, code: Code): void {
  trace?.note('rpc.response.status_code', Code[code]);
  trace?.end(SERVER_ERRORS.has(code) ? Code[code] : undefined);
}

/** Whether somebody traces: without an SDK in the process the API's own provider stands in for one, and has nothing behind it. */
function isTracing(): boolean {
  const provider = api.getTracerProvider();
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer(TRACER) !== undefined;
}

const TRACER = 'action-energy';

/** Traces of calls: begun on their headers, ended with their status, found again by whoever handles them. */
export class CallTraces {
  readonly #tracer = api.getTracer(TRACER);
  /** By the metadata object of their call, which grpc-js hands on to the handler. */
  readonly #traces = new WeakMap<Metadata, RequestTrace>();

  /** Goes on with the caller's trace (W3C `traceparent`, or what the SDK reads). Undefined where nobody traces. */
  begin(metadata: Metadata, path: string, startMs: number): RequestTrace | undefined {
    if (!isTracing()) return undefined;
    const method = path.slice(1);
    const begun = RequestTrace.begin(this.#tracer, method, {
      parent: propagation.extract(ROOT_CONTEXT, metadata, HEADERS),
      kind: SpanKind.SERVER,
      attributes: { 'rpc.system.name': 'grpc', 'rpc.method': method },
      startMs,
    });
    if (begun) this.#traces.set(metadata, begun);
    return begun;
  }

  of(metadata: Metadata): RequestTrace | undefined {
    return this.#traces.get(metadata);
  }
}

/** The calls under way: counted, so that a stopping server can refuse new ones and wait for the rest. */
export class CallsUnderWay {
  readonly #stopping = new AbortController();
  #count = 0;
  #idle: (() => void)[] = [];

  /** Aborted when the server begins to stop. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Counts a call in; returns what counts it out, once. Errors: `unavailable` when stopping. */
  begin(): () => void {
    this.refuseWhenStopping();
    this.#count++;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#count--;
      if (this.#count === 0) for (const resolve of this.#idle.splice(0)) resolve();
    };
  }

  /** Throws `unavailable` when stopping. */
  refuseWhenStopping(): void {
    if (this.#stopping.signal.aborted) {
      throw new Fault('unavailable', 'the server is stopping', { mend: 'Try another replica' });
    }
  }

  /** From here on `begin` refuses; resolves when no call is under way. */
  stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }
}
