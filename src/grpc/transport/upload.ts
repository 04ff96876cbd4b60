/**
 * What comes in on one call: when it is read, what it may become in memory, and how long it may keep the server waiting.
 *
 * A small message is read at once. A large one stands in the line of uploads (`receive-line.ts`) until the memory for all of it is
 * taken from the budget; meanwhile its stream is stopped, and what the client sends ahead is held to a window
 * (`receive.ts`). The memory of a message stays taken until it is answered.
 */
import type { ServerHttp2Stream } from 'node:http2';
import type { Metadata } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { Fault, invalid, toFault } from '../../errors.js';
import { SMALL_BYTES, type MemoryBudget } from '../../serving/memory-budget.js';
import { monotonicDeadline } from './call-scope.js';
import { inflateMessage, noMemory } from './inflate.js';
import type { Place, ReceiveLine } from './receive-line.js';
import { MessageAssembler, PREFIX_BYTES, SentAhead } from './receive.js';
import type { CallStatus } from './status.js';

/** The part of grpc-js's innermost server call that its types hide. */
export interface CallInternals {
  decoder: { write(chunk: Buffer): Buffer[] };
  readonly stream: ServerHttp2Stream;
  readonly metadata: Metadata;
  getDeadline(): number;
  handleEndEvent(): void;
  decompressMessage(frame: Buffer, encoding: string): Buffer | Promise<Buffer>;
  serializeMessage(value: unknown): Buffer;
  sendMessage(message: unknown, sent: () => void): void;
  sendStatus(status: CallStatus): void;
}

const HIDDEN = ['handleEndEvent', 'decompressMessage', 'serializeMessage', 'sendMessage'] as const;

export function isCallInternals(call: object): call is CallInternals {
  const internals = call as Partial<CallInternals>;
  return (
    internals.decoder !== undefined &&
    internals.stream !== undefined &&
    HIDDEN.every((name) => typeof internals[name] === 'function')
  );
}

export interface UploadBounds {
  /** A message under way that brings no byte for this long is given up. */
  readonly stallMs: number;
  /** How long a message may take to arrive, or an answer to be taken. */
  readonly transferMs: number;
}

export interface UploadOptions extends UploadBounds {
  readonly messageBytes: number;
  /** What a client may send ahead of a stream that is not read: HTTP/2's window. */
  readonly windowBytes: number;
  readonly line: ReceiveLine;
  readonly budget: MemoryBudget;
  /** Many messages, or one. */
  readonly stream: boolean;
  /** A message is done with when the next one begins. */
  readonly oneAtATime: boolean;
  readonly onReceived: () => void;
  /** Ends the call. */
  readonly onFault: (fault: Fault) => void;
}

/** Memory of one message, until it is answered. */
interface Held {
  giveBack: () => void;
}

/** Between half-close and reset of a client that cancels. */
const CUT_MS = 50;

export class Upload {
  readonly #call: CallInternals;
  readonly #options: UploadOptions;
  readonly #assembler: MessageAssembler;
  readonly #ahead: SentAhead;
  /** Messages that are not answered yet, oldest first. */
  readonly #messages: Held[] = [];
  /** Of those, the ones that are not whole; and the whole ones by their bytes. */
  readonly #begun: Held[] = [];
  readonly #whole = new WeakMap<Buffer, Held>();
  #place: Place | undefined;
  #anyWhole = false;
  /** Since when the client owes bytes, and when the last ones came; undefined while it owes none. */
  #owesMs: number | undefined;
  #lastMs = systemClock.nowMs();

  /** Takes over the reading of `call`. */
  constructor(call: CallInternals, options: UploadOptions) {
    this.#call = call;
    this.#options = options;
    this.#assembler = new MessageAssembler({
      messageBytes: options.messageBytes,
      onMessage: (bytes, rest) => this.#begin(bytes, rest),
    });
    this.#ahead = new SentAhead(call.stream, options.windowBytes, () =>
      options.onFault(noMemory(options.windowBytes)),
    );
    if (!options.stream) this.#owesMs = this.#lastMs;
    call.decoder = { write: (chunk) => this.#write(chunk) };
    const end = call.handleEndEvent.bind(call);
    call.handleEndEvent = () => {
      if (this.#assembler.within || (!options.stream && !this.#anyWhole)) this.#endEarly();
      else {
        this.#owesMs = undefined;
        end();
      }
    };
    const decompress = call.decompressMessage.bind(call);
    call.decompressMessage = (frame, encoding) => this.#inflate(frame, encoding, decompress);
  }

  /** Why the client is to be waited for no longer. */
  overdue(nowMs: number): Fault | undefined {
    const { stallMs, transferMs } = this.#options;
    if (this.#owesMs === undefined) return undefined;
    if (!this.#ahead.stopped && nowMs - this.#lastMs > stallMs) {
      return tooSlow('no byte of the message came', stallMs);
    }
    return nowMs - this.#owesMs > transferMs ? tooSlow('the message is not whole', transferMs) : undefined;
  }

  /** An answer to the oldest message: its memory is not needed any more. */
  answered(): void {
    this.#messages.shift()?.giveBack();
  }

  /** The call is over: everything is given back. Idempotent. */
  end(): void {
    this.#owesMs = undefined;
    this.#assembler.drop();
    this.#place?.giveBack();
    this.#place = undefined;
    for (const { giveBack } of this.#messages.splice(0)) giveBack();
    this.#ahead.drop();
  }

  #write(chunk: Buffer): Buffer[] {
    this.#lastMs = systemClock.nowMs();
    this.#owesMs ??= this.#lastMs;
    let whole: Buffer[];
    try {
      whole = this.#assembler.write(chunk);
    } catch (error) {
      this.#options.onFault(toFault(error));
      return [];
    }
    if (whole.length === 0) return whole;
    this.#anyWhole = true;
    this.#place?.leave();
    // one message: until its half-close
    if (this.#options.stream && !this.#assembler.within) this.#owesMs = undefined;
    for (const frame of whole) {
      this.#options.onReceived();
      this.#whole.set(frame, this.#begun.shift()!);
    }
    // grpc-js reads on when whoever handles the call wants more, or at once where there is one message, unless it inflates it
    if (this.#options.stream || whole[0]!.readUInt8(0) === 1) this.#stop(true);
    return whole;
  }

  /** Small messages are read at once, large ones in their turn. */
  #begin(bytes: number, rest: Buffer): 'go' | 'wait' {
    const { budget, line, oneAtATime } = this.#options;
    if (oneAtATime) while (this.#messages.length > 0) this.answered();
    if (bytes <= SMALL_BYTES) {
      const giveBack = budget.take('messages', bytes);
      if (giveBack === undefined) throw noMemory(bytes);
      this.#hold(giveBack);
      return 'go';
    }
    if (bytes > budget.limit) throw noMemory(bytes);
    let waits = true;
    const place = line.enter(bytes, monotonicDeadline(this.#call.getDeadline()), () => {
      waits = false;
      this.#lastMs = systemClock.nowMs();
      this.#ahead.go();
    });
    this.#place = place;
    this.#hold(() => place.giveBack());
    if (!waits) return 'go';
    this.#stop(false, rest);
    return 'wait';
  }

  #hold(giveBack: () => void): void {
    const held = { giveBack };
    this.#messages.push(held);
    this.#begun.push(held);
  }

  #stop(byReader: boolean, rest?: Buffer): void {
    if (this.#ahead.stopped) return;
    const { budget, windowBytes } = this.#options;
    const bytes = windowBytes + (rest?.byteLength ?? 0);
    const giveBack = budget.take('ahead', bytes);
    if (giveBack === undefined) this.#options.onFault(noMemory(bytes));
    else this.#ahead.stop(giveBack, byReader, rest);
  }

  async #inflate(
    frame: Buffer,
    encoding: string,
    decompress: CallInternals['decompressMessage'],
  ): Promise<Buffer> {
    if (frame.readUInt8(0) === 0) return decompress(frame, encoding);
    const { messageBytes, budget, onFault } = this.#options;
    const held = this.#whole.get(frame);
    try {
      if (encoding === 'identity') {
        throw invalid('request', 'a compressed message without an encoding', {
          found: 'compression flag 1, no grpc-encoding',
          wanted: 'grpc-encoding: gzip or deflate',
        });
      }
      if (encoding !== 'gzip' && encoding !== 'deflate') return await decompress(frame, encoding);
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
      if (error instanceof Fault) onFault(error);
      throw error; // grpc-js ends the call with it, where it has not ended
    }
  }

  /** Clients that cancel half-close first and reset then: what looks like a call without a message is one that was cut. */
  #endEarly(): void {
    setTimeout(() => {
      const { stream } = this.#call;
      if (stream.destroyed || stream.closed) return;
      this.#options.onFault(
        invalid('request', 'the call ended before its message', { wanted: 'a whole message' }),
      );
    }, CUT_MS);
  }
}

function tooSlow(summary: string, boundMs: number): Fault {
  return new Fault('deadline', `${summary} for too long`, {
    field: 'request',
    wanted: `less than ${boundMs} ms`,
  });
}
