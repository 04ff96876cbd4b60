/** Compressed messages, inflated within what their method may send and the memory budget allows. */
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { Fault, invalid } from '../../errors.js';
import type { MemoryBudget } from '../../serving/memory-budget.js';

const gunzipAsync = promisify(gunzip);
const inflateAsync = promisify(inflate);

export type Encoding = 'gzip' | 'deflate';

/** RFC 1952: the last four bytes say how long the contents are (modulo 2^32). */
const GZIP_SIZE_BYTES = 4;
const GZIP_MAGIC = 0x1f8b;
/** Header and trailer. */
const GZIP_LEAST_BYTES = 18;
/** RFC 1951: nothing compresses better. */
const MOST_DEFLATE_RATIO = 1032;

/**
 * Returns the contents and what gives their memory back. Errors: `invalid` for bytes that do not inflate, or not to what
 * they say; `exhausted` for contents beyond `mostBytes` or the budget, before anything is inflated where they say so.
 */
export async function inflateMessage(
  message: Buffer,
  encoding: Encoding,
  mostBytes: number,
  budget: MemoryBudget,
): Promise<{ readonly contents: Buffer; readonly giveBack: () => void }> {
  const gzip = encoding === 'gzip';
  if (gzip && (message.byteLength < GZIP_LEAST_BYTES || message.readUInt16BE(0) !== GZIP_MAGIC)) {
    throw invalid('request', 'the message does not inflate', {
      found: 'no gzip header',
      wanted: 'a message in gzip',
    });
  }
  const bytes = gzip
    ? message.readUInt32LE(message.byteLength - GZIP_SIZE_BYTES)
    : Math.min(mostBytes, message.byteLength * MOST_DEFLATE_RATIO);
  if (bytes > mostBytes) throw tooLong(`${bytes} bytes`, mostBytes);
  const giveBack = budget.take('messages', bytes);
  if (giveBack === undefined) throw noMemory(bytes);
  try {
    const options = {
      maxOutputLength: Math.max(1, bytes),
      // all in one piece: each piece is a turn of the event loop
      chunkSize: Math.max(64, bytes + 64),
    };
    const contents = await (gzip ? gunzipAsync(message, options) : inflateAsync(message, options));
    return { contents, giveBack };
  } catch (cause) {
    giveBack();
    const { code, message: found } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE' && encoding === 'deflate') throw tooLong('more', mostBytes);
    throw new Fault('invalid', 'the message does not inflate', {
      field: 'request',
      found: code === 'ERR_BUFFER_TOO_LARGE' ? 'more bytes than its end says' : found,
      wanted: `a message in ${encoding}`,
      cause,
    });
  }
}

function tooLong(found: string, mostBytes: number): Fault {
  return new Fault('exhausted', 'the inflated message is too long', {
    field: 'request',
    found,
    wanted: `at most ${mostBytes} bytes for this method`,
  });
}

/** The budget has no room; it will have when answers have gone out. */
export function noMemory(bytes: number): Fault {
  return new Fault('exhausted', 'the server has no memory for this message now', {
    field: 'request',
    found: `${bytes} bytes`,
    mend: 'Try again',
    retryAfterMs: 100,
  });
}
