/**
 * Puts messages together in memory of their own, chunk by chunk as they come in. grpc-js keeps all chunks of a message
 * until its last one and joins them then, so that twice the message lives on long enough for the garbage
 * collector to make it old. This one's chunks die young.
 *
 * Before memory is taken for a message its length is told, and whoever is told may hold the rest back (`receive-line.ts`).
 */
import { discard } from '../../engine/memory.js';
import { Fault } from '../../errors.js';

/** One byte for the compression, four for the length (big-endian), as gRPC over HTTP/2 frames messages. */
export const PREFIX_BYTES = 5;

export interface AssemblerOptions {
  /** The longest message that is taken. */
  readonly messageBytes: number;
  /**
   * A message of `bytes` begins. `go`: read on at once. `wait`: no more is read until `proceed`, and what came with the
   * length is kept. Throws a fault for a message that is not taken.
   */
  readonly onMessage?: (bytes: number) => 'go' | 'wait';
}

export class MessageAssembler {
  readonly #options: AssemblerOptions;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  /** Prefix and message; undefined until the prefix is whole and the message may be read. */
  #frame: Buffer | undefined;
  /** Bytes of the prefix or of the frame that have come. */
  #filled = 0;
  /** What came with a length that waits. */
  #held: Buffer | undefined;
  #dropped = false;

  constructor(options: AssemblerOptions) {
    this.#options = options;
  }

  /** True between a `wait` and its `proceed`. */
  get held(): boolean {
    return this.#held !== undefined;
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
    if (this.#held !== undefined) {
      this.#held = Buffer.concat([this.#held, chunk]);
      return [];
    }
    const whole: Buffer[] = [];
    let rest = chunk;
    while (rest.byteLength > 0) {
      const target = this.#frame ?? this.#prefix;
      const count = rest.copy(target, this.#filled);
      this.#filled += count;
      rest = rest.subarray(count);
      if (this.#filled < target.byteLength) break;
      if (this.#frame === undefined) {
        if (this.#begin() === 'wait') {
          this.#held = rest;
          break;
        }
        this.#frame = this.#newFrame();
      }
      if (this.#filled < this.#frame.byteLength) continue;
      whole.push(this.#frame);
      this.#frame = undefined;
      this.#filled = 0;
    }
    return whole;
  }

  /** The message that waits may be read: returns what came with its length, to be written again. */
  proceed(): Buffer {
    const held = this.#held ?? Buffer.alloc(0);
    this.#held = undefined;
    this.#frame = this.#newFrame();
    return held;
  }

  /** Nothing more is taken, and the memory of a message that is not whole is given back now, not when it is collected. */
  drop(): void {
    this.#dropped = true;
    this.#held = undefined;
    const frame = this.#frame;
    this.#frame = undefined;
    // small ones lie in memory that others share
    if (frame !== undefined && frame.byteLength === frame.buffer.byteLength) {
      discard([frame.buffer as ArrayBuffer]);
    }
  }

  #begin(): 'go' | 'wait' {
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
    return onMessage?.(length) ?? 'go';
  }

  #newFrame(): Buffer {
    const frame = Buffer.allocUnsafe(PREFIX_BYTES + this.#prefix.readUInt32BE(1));
    this.#prefix.copy(frame);
    return frame;
  }
}
