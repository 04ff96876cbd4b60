/** Traces of gRPC calls: begun on their headers, ended with their status, found again by whoever handles them. */
import { propagation, ROOT_CONTEXT, SpanKind, trace as api, type TextMapGetter } from '@opentelemetry/api';
import { status as Code, type Metadata } from '@grpc/grpc-js';
import { RequestTrace } from '../../tracing/request-trace.js';

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

export class CallTraces {
  readonly #tracer = api.getTracer('action-energy');
  /** By the metadata object of their call, which grpc-js hands on to the handler. */
  readonly #traces = new WeakMap<Metadata, RequestTrace>();

  /** Goes on with the caller's trace (W3C `traceparent`, or what the SDK reads). Undefined where nobody traces. */
  begin(metadata: Metadata, path: string, startMs: number): RequestTrace | undefined {
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
