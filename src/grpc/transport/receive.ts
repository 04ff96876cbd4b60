/**
 * Puts messages together in memory of their own, chunk by chunk as they come in. grpc-js keeps all chunks of a message
 * until its last one and joins them then, so that twice the message lives on long enough for the garbage
 * collector to make it old. This one's chunks die young.
 */
import { Fault } from '../../errors.js';

/** One byte for the compression, four for the length (big-endian), as gRPC over HTTP/2 frames messages. */
const PREFIX_BYTES = 5;

export class MessageAssembler {
  readonly #messageBytes: number;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  /** Prefix and message; undefined until the prefix is whole. */
  #frame: Buffer | undefined;
  /** Bytes of the prefix or of the frame that have come. */
  #filled = 0;

  /** `messageBytes`: the longest message that is taken. */
  constructor(messageBytes: number) {
    this.#messageBytes = messageBytes;
  }

  /**
   * Takes the next bytes of a call and returns the messages that they complete, prefix included. Errors: `exhausted` for
   * a message that is too long, before memory is taken for it. A length that lies takes address space until the call ends, but no memory: pages are
   * touched as bytes come.
   */
  write(chunk: Buffer): Buffer[] {
    const whole: Buffer[] = [];
    let rest = chunk;
    while (rest.byteLength > 0) {
      const target = this.#frame ?? this.#prefix;
      const count = rest.copy(target, this.#filled);
      this.#filled += count;
      rest = rest.subarray(count);
      if (this.#filled < target.byteLength) break;
      this.#frame ??= this.#newFrame();
      if (this.#filled < this.#frame.byteLength) continue;
      whole.push(this.#frame);
      this.#frame = undefined;
      this.#filled = 0;
    }
    return whole;
  }

  #newFrame(): Buffer {
    const length = this.#prefix.readUInt32BE(1);
    if (length > this.#messageBytes) {
      throw new Fault('exhausted', 'the message is too long', {
        field: 'request',
        found: `${length} bytes`,
        wanted: `at most ${this.#messageBytes} (limits.messageBytes of the server)`,
      });
    }
    const frame = Buffer.allocUnsafe(PREFIX_BYTES + length);
    this.#prefix.copy(frame);
    return frame;
  }
}
