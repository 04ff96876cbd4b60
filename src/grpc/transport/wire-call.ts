/**
 * One call as it lies on the wire: what is read of it and when, what its messages may become, and how long either side may
 * keep the other waiting. grpc-js has no setting for any of that; this file reaches for what its types hide of its server's
 * innermost call (1.14.7). `test/unit/grpc/wire-call.test.ts` fails when an update moves it.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import { status as Code, type Metadata } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { Fault, invalid, toFault } from '../../errors.js';
import type { MemoryBudget } from '../../serving/memory-budget.js';
import { monotonicDeadline } from './call-scope.js';
import { inflateMessage, noMemory } from './inflate.js';
import type { Place, ReceiveLine } from './receive-line.js';
import { MessageAssembler, PREFIX_BYTES } from './receive.js';
import type { CallObserver, WireRefusal } from './rpc-metrics.js';
import { requestIdOf } from './request-id.js';
import { callStatus, type CallStatus } from './status.js';

/** The part of grpc-js's innermost server call that its types hide. */
export interface CallInternals {
  decoder: { write(chunk: Buffer): Buffer[] };
  readonly stream: ServerHttp2Stream;
  readonly metadata: Metadata;
  getDeadline(): number;
  handleDataFrame(chunk: Buffer): void;
  handleEndEvent(): void;
  decompressMessage(frame: Buffer, encoding: string): Buffer | Promise<Buffer>;
  serializeMessage(value: unknown): Buffer;
  sendMessage(message: unknown, sent: () => void): void;
  sendStatus(status: CallStatus): void;
}

const HIDDEN = [
  'handleDataFrame',
  'handleEndEvent',
  'decompressMessage',
  'serializeMessage',
  'sendMessage',
] as const;

export function isCallInternals(call: object): call is CallInternals {
  const internals = call as Partial<CallInternals>;
  return (
    internals.decoder !== undefined &&
    internals.stream !== undefined &&
    HIDDEN.every((name) => typeof internals[name] === 'function')
  );
}

export interface TransferBounds {
  /** A message under way that brings no byte for this long is given up. */
  readonly stallMs: number;
  /** How long a message may take to arrive, or an answer to be taken. */
  readonly transferMs: number;
}

export interface WireCallOptions extends TransferBounds {
  readonly messageBytes: number;
  readonly line: ReceiveLine;
  readonly budget: MemoryBudget;
  /** A call without a message is none. */
  readonly needsMessage: boolean;
  /** A message is done with when the next one begins. */
  readonly oneAtATime: boolean;
  /** An answer of `bytes` is about to wait for its client. */
  readonly onAnswer: (bytes: number) => void;
  readonly observer: CallObserver;
}

/** Memory of one message, until it is answered. */
interface Held {
  giveBack: () => void;
}

/** Messages below this do not stand in line: their memory is taken at once. */
const SMALL_BYTES = 64 * 1024;

/** Between half-close and reset of a client that cancels. */
const CUT_MS = 50;

export class WireCall {
  readonly #call: CallInternals;
  readonly #options: WireCallOptions;
  readonly #assembler: MessageAssembler;
  /** Messages that are not answered yet, oldest first. */
  readonly #messages: Held[] = [];
  /** Of those, the ones that are not whole; and the whole ones by their bytes. */
  readonly #begun: Held[] = [];
  readonly #whole = new WeakMap<Buffer, Held>();
  readonly #answers: (() => void)[] = [];
  #place: Place | undefined;
  #endHeld = false;
  #anyWhole = false;
  /** When the message under way began, and when its last byte came; undefined between messages. */
  #begunMs: number | undefined;
  #lastMs = 0;
  /** Since when an answer waits to be taken. */
  #unreadMs: number | undefined;

  /** Takes over the reading of `call`. */
  constructor(call: CallInternals, options: WireCallOptions) {
    this.#call = call;
    this.#options = options;
    this.#assembler = new MessageAssembler({
      messageBytes: options.messageBytes,
      onMessage: (bytes) => this.#begin(bytes),
    });
    call.decoder = { write: (chunk) => this.#write(chunk) };
    const end = call.handleEndEvent.bind(call);
    call.handleEndEvent = () => {
      if (this.#assembler.held) this.#endHeld = true;
      else if (this.#assembler.within || (options.needsMessage && !this.#anyWhole)) this.#endEarly();
      else end();
    };
    const decompress = call.decompressMessage.bind(call);
    call.decompressMessage = (frame, encoding) => this.#inflate(frame, encoding, decompress);
    this.#countAnswers(call);
    const sendStatus = call.sendStatus.bind(call);
    call.sendStatus = (status) => {
      // a call that is gone ends as cancelled, whatever would have been said
      if (!call.stream.destroyed && !call.stream.closed) options.observer.onEnd(status.code);
      // then it goes out as trailers, when the answers have
      const behindAnswers = call.stream.headersSent;
      sendStatus(status);
      this.#stopReading(behindAnswers);
    };
  }

  /** Ends the call when either side has kept the other waiting for too long. */
  sweep(nowMs: number): void {
    const { stallMs, transferMs } = this.#options;
    const reading = this.#begunMs !== undefined && !this.#assembler.held;
    if (reading && nowMs - this.#lastMs > stallMs) {
      this.#fail(tooSlow('no byte of the message came', stallMs), 'stalled');
    } else if (this.#begunMs !== undefined && nowMs - this.#begunMs > transferMs) {
      this.#fail(tooSlow('the message is not whole', transferMs), 'stalled');
    } else if (this.#unreadMs !== undefined && nowMs - this.#unreadMs > transferMs) {
      this.cut();
    }
  }

  /** Since when an answer waits to be taken; undefined when none does. */
  get unreadMs(): number | undefined {
    return this.#unreadMs;
  }

  /** Ends a call whose answer is not taken. A status would wait behind the answer. */
  cut(): void {
    this.#options.observer.onRefused('unread');
    this.#call.stream.close(constants.NGHTTP2_CANCEL);
    this.close();
  }

  /** An answer to the oldest message: its memory is not needed any more. */
  answered(): void {
    this.#messages.shift()?.giveBack();
  }

  /** The stream is closed: whatever is held is given back. */
  close(): void {
    const late = Date.now() >= this.#call.getDeadline();
    this.#assembler.drop();
    this.#options.observer.onEnd(late ? Code.DEADLINE_EXCEEDED : Code.CANCELLED);
    this.#place?.giveBack();
    this.#place = undefined;
    this.#begunMs = undefined;
    this.#unreadMs = undefined;
    for (const { giveBack } of this.#messages.splice(0)) giveBack();
    for (const giveBack of this.#answers.splice(0)) giveBack();
  }

  #write(chunk: Buffer): Buffer[] {
    this.#lastMs = systemClock.nowMs();
    this.#begunMs ??= this.#lastMs;
    let whole: Buffer[];
    try {
      whole = this.#assembler.write(chunk);
    } catch (error) {
      const fault = toFault(error);
      this.#fail(fault, reasonOf(fault));
      return [];
    }
    if (whole.length > 0 && !this.#assembler.within) this.#begunMs = undefined;
    if (whole.length > 0) this.#place?.leave();
    this.#anyWhole ||= whole.length > 0;
    for (const frame of whole) {
      this.#options.observer.onReceived();
      this.#whole.set(frame, this.#begun.shift()!);
    }
    return whole;
  }

  /** Small messages are read at once, large ones in their turn. */
  #begin(bytes: number): 'go' | 'wait' {
    const { budget, line, oneAtATime } = this.#options;
    if (oneAtATime) while (this.#messages.length > 0) this.answered();
    if (bytes <= SMALL_BYTES) {
      const giveBack = budget.take(bytes);
      if (giveBack === undefined) throw noMemory(bytes);
      this.#hold(giveBack);
      return 'go';
    }
    if (bytes > budget.limit) throw noMemory(bytes);
    let waits = true;
    let entered = false;
    const place = line.enter(bytes, monotonicDeadline(this.#call.getDeadline()), () => {
      waits = false;
      if (entered) this.#proceed();
    });
    entered = true;
    this.#place = place;
    this.#hold(() => place.giveBack());
    if (!waits) return 'go';
    this.#call.stream.pause();
    return 'wait';
  }

  #hold(giveBack: () => void): void {
    const held = { giveBack };
    this.#messages.push(held);
    this.#begun.push(held);
  }

  #proceed(): void {
    const { stream } = this.#call;
    if (stream.destroyed) return;
    this.#lastMs = systemClock.nowMs();
    const rest = this.#assembler.proceed();
    // resumed first: a message that is whole now stops it again
    stream.resume();
    this.#call.handleDataFrame(rest);
    if (this.#endHeld) this.#call.handleEndEvent();
  }

  async #inflate(
    frame: Buffer,
    encoding: string,
    decompress: CallInternals['decompressMessage'],
  ): Promise<Buffer> {
    if (frame.readUInt8(0) === 0 || (encoding !== 'gzip' && encoding !== 'deflate')) {
      return decompress(frame, encoding);
    }
    const { messageBytes, budget } = this.#options;
    const held = this.#whole.get(frame);
    try {
      const message = frame.subarray(PREFIX_BYTES);
      const { contents, giveBack } = await inflateMessage(message, encoding, messageBytes, budget);
      if (held === undefined || !this.#messages.includes(held)) {
        giveBack(); // the call is over
      } else {
        held.giveBack();
        held.giveBack = giveBack;
      }
      return contents;
    } catch (error) {
      const fault = toFault(error);
      this.#options.observer.onRefused(reasonOf(fault));
      // grpc-js ends the call with what is thrown
      // eslint-disable-next-line @typescript-eslint/only-throw-error
      throw callStatus(fault, requestIdOf(this.#call.metadata));
    }
  }

  #countAnswers(call: CallInternals): void {
    const { budget, onAnswer } = this.#options;
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
      this.#options.observer.onSent();
      send(message, () => {
        this.#answers.shift()?.();
        this.#unreadMs = this.#answers.length === 0 ? undefined : systemClock.nowMs();
        sent();
      });
    };
  }

  /** Clients that cancel half-close first and reset then: what looks like a call without a message is one that was cut. */
  #endEarly(): void {
    setTimeout(() => {
      const { stream } = this.#call;
      if (stream.destroyed || stream.closed) return;
      const missing = invalid('request', 'the call ended before its message', { wanted: 'a whole message' });
      this.#fail(missing, 'frame');
    }, CUT_MS);
  }

  /** The call has its status: what has come of it is not needed, and the rest of an upload need not come. */
  #stopReading(behindAnswers: boolean): void {
    this.#assembler.drop();
    this.#place?.giveBack();
    this.#begunMs = undefined;
    for (const { giveBack } of this.#messages.splice(0)) giveBack();
    const { stream } = this.#call;
    // after the status has gone out (RFC 9113, 8.1): from Node 22 on, a reset of the same turn overtakes it
    const reset = (): void =>
      void setImmediate(() => {
        if (!stream.readableEnded && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
      });
    if (behindAnswers) stream.once('wantTrailers', reset);
    else reset();
  }

  #fail(fault: Fault, reason: WireRefusal): void {
    this.#options.observer.onRefused(reason);
    this.#call.sendStatus(callStatus(fault, requestIdOf(this.#call.metadata)));
  }
}

/** Why a message was not taken. */
function reasonOf({ kind, retryAfterMs }: Fault): WireRefusal {
  if (kind === 'invalid') return 'frame';
  return retryAfterMs === undefined ? 'message_bytes' : 'memory';
}

function tooSlow(summary: string, boundMs: number): Fault {
  return new Fault('deadline', `${summary} for too long`, {
    field: 'request',
    wanted: `less than ${boundMs} ms`,
  });
}
