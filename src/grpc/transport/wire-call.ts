/**
 * One call as it lies on the wire: what comes in (`upload.ts`), the answers that wait to be taken, how long either side may
 * keep the other waiting, and the one code in which it ends. grpc-js has no setting for any of that; this file reaches for
 * what its types hide of its server's innermost call (1.14.7). `test/unit/grpc/wire-call.test.ts` fails when an update moves it.
 */
import { constants } from 'node:http2';
import { status as Code } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import type { Fault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { RequestTrace } from '../../tracing/request-trace.js';
import { endTrace, requestIdOf } from './call-scope.js';
import { callStatus } from './status.js';
import { Upload, type CallInternals, type UploadOptions } from './upload.js';

export type RpcMetrics = Pick<
  Metrics,
  'rpcStarted' | 'rpcHandled' | 'rpcSeconds' | 'rpcReceived' | 'rpcSent' | 'rejections'
>;

/** Bounds of the transport that end a call, as `action_energy_rejections_total` names them. */
export type WireRefusal = 'memory' | 'message_bytes' | 'frame' | 'stalled' | 'unread';

export interface CallObserver {
  onReceived(): void;
  onSent(): void;
  onRefused(reason: WireRefusal): void;
  /** The first counts. */
  onEnd(code: Code): void;
}

export interface CallKind {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/**
 * The standard server series of gRPC, for every method of every service. Told by the innermost call, so that every call that
 * began ends in exactly one code, whoever ended it: a handler, the gate, a bound of the transport, its deadline, or the client.
 */
export function observeCall(
  metrics: RpcMetrics,
  { path, requestStream, responseStream }: CallKind,
  trace?: RequestTrace,
): CallObserver {
  const [, service = '', method = ''] = path.split('/');
  const kind = requestStream
    ? responseStream
      ? 'bidi_stream'
      : 'client_stream'
    : responseStream
      ? 'server_stream'
      : 'unary';
  const labels = { grpc_type: kind, grpc_service: service, grpc_method: method };
  const start = performance.now();
  let open = true;
  metrics.rpcStarted.inc(labels);
  return {
    onReceived: () => metrics.rpcReceived.inc(labels),
    onSent: () => metrics.rpcSent.inc(labels),
    onRefused: (reason) => metrics.rejections.inc({ model: '', reason }),
    onEnd: (code) => {
      if (!open) return;
      open = false;
      metrics.rpcHandled.inc({ ...labels, grpc_code: Code[code] });
      metrics.rpcSeconds.observe(labels, (performance.now() - start) / 1000);
      endTrace(trace, code);
    },
  };
}

export interface WireCallOptions extends Omit<UploadOptions, 'onReceived' | 'onFault'> {
  /** Gives back what the call itself takes. */
  readonly giveBack: () => void;
  /** An answer of `bytes` is about to wait for its client. */
  readonly onAnswer: (bytes: number) => void;
  readonly observer: CallObserver;
}

export class WireCall {
  readonly #call: CallInternals;
  readonly #options: WireCallOptions;
  readonly #upload: Upload;
  /** What gives back the memory of each answer that is not taken. */
  readonly #answers: (() => void)[] = [];
  /** Since when an answer waits to be taken. */
  #unreadMs: number | undefined;

  /** Takes over the reading of `call`. */
  constructor(call: CallInternals, options: WireCallOptions) {
    const { observer } = options;
    this.#call = call;
    this.#options = options;
    this.#upload = new Upload(call, {
      ...options,
      onReceived: () => observer.onReceived(),
      onFault: (fault) => this.refuse(fault, reasonOf(fault)),
    });
    this.#countAnswers();
    const sendStatus = call.sendStatus.bind(call);
    call.sendStatus = (status) => {
      // grpc-js's timer can fire before the clock has come to the deadline: the call is late all the same
      if (status.code === Code.DEADLINE_EXCEEDED) {
        const endedMs = Date.now();
        call.getDeadline = () => endedMs;
      }
      // a call that is gone ends as cancelled, whatever would have been said
      if (!call.stream.destroyed && !call.stream.closed) observer.onEnd(status.code);
      // then it goes out as trailers, when the answers have
      const behindAnswers = call.stream.headersSent;
      sendStatus(status);
      this.#upload.end();
      this.#stopReading(behindAnswers);
    };
  }

  /** Ends the call when either side has kept the other waiting for too long. */
  sweep(nowMs: number): void {
    const overdue = this.#upload.overdue(nowMs);
    if (overdue !== undefined) this.refuse(overdue, 'stalled');
    else if (this.#unreadMs !== undefined && nowMs - this.#unreadMs > this.#options.transferMs) this.cut();
  }

  /** Since when an answer waits to be taken; undefined when none does. */
  get unreadMs(): number | undefined {
    return this.#unreadMs;
  }

  /** An answer to the oldest message. */
  answered(): void {
    this.#upload.answered();
  }

  /** Ends the call with the status of `fault`. */
  refuse(fault: Fault, reason: WireRefusal): void {
    this.#options.observer.onRefused(reason);
    this.#call.sendStatus(callStatus(fault, requestIdOf(this.#call.metadata)));
  }

  /** Ends a call whose answer is not taken. A status would wait behind the answer. */
  cut(): void {
    this.#options.observer.onRefused('unread');
    this.#call.stream.close(constants.NGHTTP2_CANCEL);
    this.close();
  }

  /** The stream is closed: whatever is held is given back. */
  close(): void {
    const late = Date.now() >= this.#call.getDeadline();
    this.#options.observer.onEnd(late ? Code.DEADLINE_EXCEEDED : Code.CANCELLED);
    this.#upload.end();
    this.#unreadMs = undefined;
    for (const giveBack of this.#answers.splice(0)) giveBack();
    this.#options.giveBack();
  }

  #countAnswers(): void {
    const call = this.#call;
    const { budget, onAnswer, observer } = this.#options;
    const serialize = call.serializeMessage.bind(call);
    call.serializeMessage = (value) => {
      const bytes = serialize(value);
      onAnswer(bytes.byteLength);
      this.#unreadMs ??= systemClock.nowMs();
      this.#answers.push(budget.count(bytes.byteLength));
      return bytes;
    };
    const send = call.sendMessage.bind(call);
    call.sendMessage = (message, sent) => {
      observer.onSent();
      send(message, () => {
        this.#answers.shift()?.();
        this.#unreadMs = this.#answers.length === 0 ? undefined : systemClock.nowMs();
        sent();
      });
    };
  }

  /** The rest of an upload need not come. */
  #stopReading(behindAnswers: boolean): void {
    const { stream } = this.#call;
    // after the status has gone out (RFC 9113, 8.1): from Node 22 on, a reset of the same turn overtakes it
    const reset = (): void =>
      void setImmediate(() => {
        if (!stream.readableEnded && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
      });
    if (behindAnswers) stream.once('wantTrailers', reset);
    else reset();
  }
}

/** Why a message was not taken. */
function reasonOf({ kind, retryAfterMs }: Fault): WireRefusal {
  if (kind === 'invalid') return 'frame';
  return retryAfterMs === undefined ? 'message_bytes' : 'memory';
}
