/**
 * A TensorBoard event file: records of `length, masked crc of it, data, masked crc of it` (TFRecord), each a
 * `tensorflow.Event` in protobuf with scalar summaries. Formats: tensorflow/core/lib/io/record_writer.h,
 * tensorflow/core/util/event.proto.
 */
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';

const { Writer } = protobuf;

export class EventFile {
  readonly #file: string;

  /** A new file in a folder of its own, `DIRECTORY/tensorboard`, in place of what is there. */
  constructor(directory: string) {
    const folder = path.join(directory, 'tensorboard');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    this.#file = path.join(folder, `events.out.tfevents.${Math.floor(Date.now() / 1000)}.action-energy`);
    this.#append(Writer.create().uint32(FILE_VERSION).string('brain.Event:2'));
  }

  /** Scalars of one step, by tag. */
  write(step: number, scalars: Iterable<readonly [tag: string, value: number]>): void {
    const summary = Writer.create();
    for (const [tag, value] of scalars) {
      summary
        .uint32(SUMMARY_VALUE)
        .fork()
        .uint32(VALUE_TAG)
        .string(tag)
        .uint32(VALUE_SIMPLE)
        .float(value)
        .ldelim();
    }
    this.#append(Writer.create().uint32(STEP).int64(step).uint32(SUMMARY).bytes(summary.finish()));
  }

  #append(fields: protobuf.Writer): void {
    const time = Writer.create()
      .uint32(WALL_TIME)
      .double(Date.now() / 1000)
      .finish();
    appendFileSync(this.#file, record(Buffer.concat([time, fields.finish()])));
  }
}

/** Field numbers with their wire types: `number << 3 | type`. */
const WALL_TIME = (1 << 3) | 1;
const STEP = 2 << 3;
const FILE_VERSION = (3 << 3) | 2;
const SUMMARY = (5 << 3) | 2;
const SUMMARY_VALUE = (1 << 3) | 2;
const VALUE_TAG = (1 << 3) | 2;
const VALUE_SIMPLE = (2 << 3) | 5;

function record(data: Uint8Array): Uint8Array {
  const out = Buffer.alloc(12 + data.length + 4);
  out.writeBigUInt64LE(BigInt(data.length), 0);
  out.writeUInt32LE(maskedCrc(out.subarray(0, 8)), 8);
  out.set(data, 12);
  out.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return out;
}

/** CRC-32C (Castagnoli), reflected, by byte. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** Rotated and shifted, as TFRecord wants it: a checksum of data that hold checksums would be weak. */
function maskedCrc(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
