/**
 * The first of a server's interceptors: it alone meets the calls that read from the wire. It bounds what they take
 * (`wire-call.ts`), and gives a peer on a Unix socket a name.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { Fault } from '../../errors.js';
import type { MemoryBudget } from '../../serving/memory-budget.js';
import type { CallTraces } from './call-scope.js';
import { bytesOf, type MethodRules } from './gate.js';
import { noMemory } from './inflate.js';
import { ReceiveLine } from './receive-line.js';
import { isCallInternals, type UploadBounds } from './upload.js';
import { observeCall, WireCall, type RpcMetrics } from './wire-call.js';

export interface WireOptions extends UploadBounds {
  readonly rules: MethodRules;
  /** The longest message of a method that takes tensors. */
  readonly messageBytes: number;
  /** HTTP/2's window of each call. */
  readonly windowBytes: number;
  readonly budget: MemoryBudget;
  readonly metrics: RpcMetrics;
  readonly traces: CallTraces;
}

/** Uploads that are read side by side: more would all finish later, fewer would leave a fast link idle. */
const READ_AT_ONCE = 4;
/** After this long an upload is on a slow link, and others are read beside it. */
const PLACE_MS = 100;
/** An upload without a deadline stands in line as if it had one this far away. */
const PATIENCE_MS = 10_000;
const SWEEP_MS = 250;
/** What a call costs beside its message: headers, and what grpc-js keeps. */
const CALL_BYTES = 16 * 1024;

export class WireCalls {
  readonly #options: WireOptions;
  readonly #open = new Set<WireCall>();
  /** Connections without an address, numbered as they first call. */
  readonly #numbers = new WeakMap<object, number>();
  #connections = 0;
  #sweep: NodeJS.Timeout | undefined;
  readonly line: ReceiveLine;

  constructor(options: WireOptions) {
    this.#options = options;
    const { budget } = options;
    this.line = new ReceiveLine({
      budget,
      clock: systemClock,
      most: READ_AT_ONCE,
      placeMs: PLACE_MS,
      patienceMs: PATIENCE_MS,
    });
  }

  readonly interceptor: ServerInterceptor = (method, call) => {
    const { path, requestStream, responseStream } = method;
    const { rules, messageBytes, windowBytes, budget, stallMs, transferMs, metrics, traces } = this.#options;
    if (!isCallInternals(call)) {
      throw new Fault('internal', 'this version of grpc-js hides how its server reads messages');
    }
    const { stream } = call;
    const giveBack = budget.take('calls', CALL_BYTES);
    const wire = new WireCall(call, {
      giveBack: giveBack ?? (() => undefined),
      windowBytes,
      messageBytes: bytesOf(rules(path), messageBytes),
      line: this.line,
      budget,
      stallMs,
      transferMs,
      stream: requestStream,
      oneAtATime: requestStream && !responseStream,
      onAnswer: (bytes) => this.#makeRoom(bytes),
      observer: observeCall(metrics, method, traces.begin(call.metadata, path, systemClock.nowMs())),
    });
    this.#enter(wire);
    stream.once('close', () => this.#leave(wire));
    if (giveBack === undefined) wire.refuse(noMemory(CALL_BYTES), 'memory');
    return new OuterCall(call, this.#peerOf(stream), requestStream ? () => wire.answered() : undefined);
  };

  #enter(wire: WireCall): void {
    this.#open.add(wire);
    this.#sweep ??= setInterval(() => {
      const nowMs = systemClock.nowMs();
      for (const each of this.#open) each.sweep(nowMs);
    }, SWEEP_MS);
  }

  #leave(wire: WireCall): void {
    wire.close();
    this.#open.delete(wire);
    if (this.#open.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  /** Cuts off the answers that have waited longest to be taken, until one of `bytes` fits among those that wait. */
  #makeRoom(bytes: number): void {
    const { budget } = this.#options;
    while (budget.taken('answers') + bytes > budget.answersLimit) {
      let oldest: WireCall | undefined;
      for (const each of this.#open) {
        if ((each.unreadMs ?? Infinity) < (oldest?.unreadMs ?? Infinity)) oldest = each;
      }
      if (oldest === undefined) return;
      oldest.cut();
    }
  }

  #peerOf({ session }: ServerHttp2Stream): string | undefined {
    if (session === undefined || session.socket.remoteAddress !== undefined) return undefined;
    const number = this.#numbers.get(session) ?? ++this.#connections;
    this.#numbers.set(session, number);
    return `unix:${number}`;
  }
}

/** The call as the other interceptors see it. */
class OuterCall extends ServerInterceptingCall {
  readonly #peer: string | undefined;

  constructor(
    call: ConstructorParameters<typeof ServerInterceptingCall>[0],
    peer: string | undefined,
    answered: (() => void) | undefined,
  ) {
    super(call, {
      sendMessage(message: unknown, next) {
        answered?.();
        next(message);
      },
    });
    this.#peer = peer;
  }

  override getPeer(): string {
    return this.#peer ?? super.getPeer();
  }
}
