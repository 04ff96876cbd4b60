/**
 * The bytes of a call as they come in. `MessageAssembler` puts messages together in memory of their own, chunk by chunk:
 * grpc-js keeps all chunks of a message until its last one and joins them then, so that twice the message lives on long
 * enough for the garbage collector to make it old; this one's chunks die young. `SentAhead` keeps what a client sends while
 * its stream is not read.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { discard } from '../../engine/memory.js';
import { Fault } from '../../errors.js';

/** One byte for the compression, four for the length (big-endian), as gRPC over HTTP/2 frames messages. */
export const PREFIX_BYTES = 5;

export interface AssemblerOptions {
  /** The longest message that is taken. */
  readonly messageBytes: number;
  /**
   * A message of `bytes` begins, and `rest` came with its length. `go`: it is read on at once. `wait`: nothing is written until
   * the message may be read, and then `rest` first. Throws a fault for a message that is not taken.
   */
  readonly onMessage?: (bytes: number, rest: Buffer) => 'go' | 'wait';
}

export class MessageAssembler {
  readonly #options: AssemblerOptions;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  /** Prefix and message; undefined until the prefix is whole and the message is read. */
  #frame: Buffer | undefined;
  /** Bytes of the prefix or of the frame that have come. */
  #filled = 0;
  #dropped = false;

  constructor(options: AssemblerOptions) {
    this.#options = options;
  }

  /** True while a message has begun and is not whole. */
  get within(): boolean {
    return this.#filled > 0;
  }

  /**
   * Takes the next bytes of a call and returns the messages that they complete, prefix included. Errors: `invalid` for a
   * compression flag that is none, `exhausted` for a message that is too long, before memory is taken for it. A length
   * that lies takes address space until the call ends, but no memory: pages are touched as bytes come.
   */
  write(chunk: Buffer): Buffer[] {
    if (this.#dropped) return [];
    const whole: Buffer[] = [];
    let rest = chunk;
    // a prefix that was whole when its message had to wait
    if (this.#frame === undefined && this.#filled === PREFIX_BYTES) this.#frame = this.#newFrame();
    while (rest.byteLength > 0 || this.#filled === this.#frame?.byteLength) {
      const target = this.#frame ?? this.#prefix;
      const count = rest.copy(target, this.#filled);
      this.#filled += count;
      rest = rest.subarray(count);
      if (this.#filled < target.byteLength) break;
      if (this.#frame === undefined) {
        if (this.#begin(rest) === 'wait') break;
        this.#frame = this.#newFrame();
      }
      if (this.#filled < this.#frame.byteLength) continue;
      whole.push(this.#frame);
      this.#frame = undefined;
      this.#filled = 0;
    }
    return whole;
  }

  /** Nothing more is taken, and the memory of a message that is not whole is given back now, not when it is collected. */
  drop(): void {
    this.#dropped = true;
    const frame = this.#frame;
    this.#frame = undefined;
    // small ones lie in memory that others share
    if (frame !== undefined && frame.byteLength === frame.buffer.byteLength) {
      discard([frame.buffer as ArrayBuffer]);
    }
  }

  #begin(rest: Buffer): 'go' | 'wait' {
    const flag = this.#prefix.readUInt8(0);
    if (flag > 1) {
      throw new Fault('invalid', 'not a gRPC frame', {
        field: 'request',
        found: `compression flag ${flag}`,
        wanted: '0 or 1',
      });
    }
    const length = this.#prefix.readUInt32BE(1);
    const { messageBytes, onMessage } = this.#options;
    if (length > messageBytes) {
      throw new Fault('exhausted', 'the message is too long', {
        field: 'request',
        found: `${length} bytes`,
        wanted: `at most ${messageBytes} bytes for this method`,
      });
    }
    return onMessage?.(length, rest) ?? 'go';
  }

  #newFrame(): Buffer {
    const frame = Buffer.allocUnsafe(PREFIX_BYTES + this.#prefix.readUInt32BE(1));
    this.#prefix.copy(frame);
    return frame;
  }
}

/**
 * What a client sends ahead of a stream that is not read: a window at most (HTTP/2 flow control), in one piece of memory that the
 * budget knows. Node would keep each frame as an object of its own, which costs some hundred times a frame of one byte.
 *
 * It shadows two methods of the stream while it is stopped: `push`, by which Node hands over what has come, and `resume`.
 */
export class SentAhead {
  readonly #stream: ServerHttp2Stream;
  readonly #windowBytes: number;
  /** Called when more comes than the window allows. */
  readonly #onOverflow: () => void;
  #stopped: { readonly byReader: boolean; readonly giveBack: () => void } | undefined;
  #kept: Buffer | undefined;
  #filled = 0;

  constructor(stream: ServerHttp2Stream, windowBytes: number, onOverflow: () => void) {
    this.#stream = stream;
    this.#windowBytes = windowBytes;
    this.#onOverflow = onOverflow;
  }

  get stopped(): boolean {
    return this.#stopped !== undefined;
  }

  /**
   * Reads no more until `go`, or with `byReader` until whoever reads the stream resumes it. `rest` is what came already; `giveBack`
   * gives back the window, which was taken from the budget.
   */
  stop(giveBack: () => void, byReader: boolean, rest?: Buffer): void {
    this.#stopped = { giveBack, byReader };
    const stream = this.#stream;
    stream.pause();
    if (rest !== undefined && rest.byteLength > 0) this.#keep(rest);
    stream.push = (chunk: Buffer | null) => {
      if (chunk !== null) return this.#keep(chunk);
      this.#handOver(); // before the end
      return stream.push(null);
    };
    stream.resume = () => {
      if (this.#stopped?.byReader === true) this.go();
      return stream;
    };
  }

  /** Reads on, what was sent ahead first. */
  go(): void {
    const stopped = this.#stopped;
    if (stopped === undefined) return;
    this.#stopped = undefined;
    this.#handOver();
    Reflect.deleteProperty(this.#stream, 'resume');
    stopped.giveBack();
    this.#stream.resume();
  }

  /** Nothing of it is needed any more. */
  drop(): void {
    this.#kept = undefined;
    this.#filled = 0;
    this.go();
  }

  #keep(chunk: Buffer): boolean {
    this.#kept ??= Buffer.allocUnsafeSlow(this.#windowBytes + chunk.byteLength);
    const count = chunk.copy(this.#kept, this.#filled);
    this.#filled += count;
    if (count < chunk.byteLength) this.#onOverflow();
    return false; // Node asks for no more, and gives no window back
  }

  /** To the stream itself. */
  #handOver(): void {
    Reflect.deleteProperty(this.#stream, 'push');
    if (this.#filled > 0) this.#stream.push(this.#kept!.subarray(0, this.#filled));
    this.#kept = undefined;
    this.#filled = 0;
  }
}
