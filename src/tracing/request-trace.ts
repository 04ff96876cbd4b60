/**
 * One request as spans of OpenTelemetry: the request itself and, below it, where its time went. The spans of stages are made of
 * the timings that a request has anyway, after the fact. Only the API is needed here; without an SDK in the process there is
 * no trace at all, and nothing is measured or kept for it (docs/deploy.md, Tracing).
 */
import {
  isSpanContextValid,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type AttributeValue,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';

/** As OpenTelemetry's log bridges name them. */
export interface TraceIds {
  readonly trace_id: string;
  readonly span_id: string;
}

export interface TraceStart {
  /** What the caller said about its own trace. */
  readonly parent: Context;
  readonly kind: SpanKind;
  readonly attributes: Attributes;
  /** On `performance.now()`. */
  readonly startMs: number;
}

export class RequestTrace {
  readonly #tracer: Tracer;
  readonly #span: Span;
  readonly #context: Context;
  readonly #startMs: number;
  /** Of its beginning: the answer is handed over a moment after the end. */
  readonly #sampled: boolean;
  readonly ids: TraceIds;

  private constructor(tracer: Tracer, span: Span, parent: Context, startMs: number) {
    const { traceId, spanId } = span.spanContext();
    this.#tracer = tracer;
    this.#span = span;
    this.#context = trace.setSpan(parent, span);
    this.#startMs = startMs;
    this.#sampled = span.isRecording();
    this.ids = { trace_id: traceId, span_id: spanId };
  }

  /** Undefined where nobody traces. A request that is traced but not sampled has ids and no spans. */
  static begin(
    tracer: Tracer,
    name: string,
    { parent, kind, attributes, startMs }: TraceStart,
  ): RequestTrace | undefined {
    const span = tracer.startSpan(name, { kind, attributes, startTime: epochMs(startMs) }, parent);
    if (!isSpanContextValid(span.spanContext())) return undefined;
    return new RequestTrace(tracer, span, parent, startMs);
  }

  /** A request within this one: a message of a stream. */
  child(name: string, attributes: Attributes, startMs: number): RequestTrace | undefined {
    const start = { parent: this.#context, kind: SpanKind.INTERNAL, attributes, startMs };
    return RequestTrace.begin(this.#tracer, name, start);
  }

  note(key: string, value: AttributeValue): void {
    this.#span.setAttribute(key, value);
  }

  /** A part of the request, from `fromMs` (or its beginning) for `ms`; one that took no time was not needed and is left out. */
  stage(name: string, fromMs: number, ms: number): void {
    if (ms <= 0 || !this.#sampled) return;
    const span = this.#tracer.startSpan(name, { startTime: epochMs(fromMs) }, this.#context);
    span.end(epochMs(fromMs + ms));
  }

  /** The message has come: what went before `untilMs` was the network. */
  received(untilMs: number): void {
    this.stage('receive', this.#startMs, untilMs - this.#startMs);
  }

  /** Idempotent. `error`: what went wrong on this side; a caller's mistakes are no errors of the server. */
  end(error?: string): void {
    if (error !== undefined) {
      this.#span.setAttribute('error.type', error);
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    if (this.#span.isRecording()) this.#span.end();
  }
}

function epochMs(ms: number): number {
  return performance.timeOrigin + ms;
}
