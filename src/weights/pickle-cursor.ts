/** Reads the arguments of pickle opcodes; no read goes past the end. */
import { invalid } from '../errors.js';

/** The longest integers in a checkpoint are 128-bit seeds; longer ones are slow to turn into numbers. */
const MAX_INTEGER_BYTES = 32;
/** Names of modules and classes are short. */
const MAX_LINE_BYTES = 1024;
const NEWLINE = 0x0a;

export class PickleCursor {
  readonly #field: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(field: string, bytes: Uint8Array) {
    this.#field = field;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#position;
  }

  /** Moves past `count` bytes, which must exist, and gives the position before. */
  #skip(count: number): number {
    const start = this.#position;
    if (count > this.#bytes.byteLength - start) {
      throw invalid(this.#field, 'pickle ends within an argument', {
        found: `${this.#bytes.byteLength - start} bytes left at ${start}`,
        wanted: `${count} bytes`,
        mend: 'The file is truncated or damaged.',
      });
    }
    this.#position = start + count;
    return start;
  }

  uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }

  /** A length; beyond 2^53 it is rounded, and then refused by the read that uses it. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  /** Big-endian, the only such value in the format. */
  float64(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  bytes(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(length: number): string {
    const bytes = this.bytes(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (error) {
      throw invalid(this.#field, 'a string is not valid UTF-8', { cause: error });
    }
  }

  /** Text up to a newline, without it. */
  line(): string {
    const end = this.#bytes.subarray(0, this.#position + MAX_LINE_BYTES).indexOf(NEWLINE, this.#position);
    if (end < 0)
      throw invalid(this.#field, 'a name in the pickle has no end', { found: `byte ${this.#position}` });
    const text = this.text(end - this.#position);
    this.#skip(1);
    return text;
  }

  /** Two's complement of `length` bytes; a bigint beyond the safe integers. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) {
      throw invalid(this.#field, 'integer too long', {
        found: `${length} bytes`,
        wanted: `at most ${MAX_INTEGER_BYTES} bytes`,
      });
    }
    let value = 0n;
    for (const [i, byte] of this.bytes(length).entries()) value |= BigInt(byte) << BigInt(8 * i);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
}
