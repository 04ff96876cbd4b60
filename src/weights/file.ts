/** Opening a local file for reading, with faults that name the file. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Fault, invalid } from '../errors.js';

/** Files that are read whole stay below this, so that one wrong path cannot take all memory. */
export const MAX_WHOLE_FILE_BYTES = 2 * 1024 ** 3;

/** Of one read: between two of them a reading can be given up. */
const READ_BYTES = 64 * 1024 ** 2;

/** A pipe would wait for its writer (Windows has no such flag). */
const READ_WITHOUT_WAITING = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
const SPECIAL = 'a device, pipe or socket';

export interface OpenFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

/** An errno of the file system as a fault that names the file. */
function fileFault(path: string, error: unknown): Fault {
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string'
      ? error.code
      : 'unknown error';
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new Fault('not_found', 'no such file', { field: path, mend: 'Check the path.', cause: error });
  }
  if (code === 'ENXIO') return notAFile(path, SPECIAL); // a socket
  return new Fault('precondition', 'cannot be read', {
    field: path,
    found: code,
    mend: 'Check that the file is readable by this user.',
    cause: error,
  });
}

/**
 * Opens a regular, non-empty file; the caller closes the handle. It never waits: a pipe without a writer is refused, too. Errors
 * name the file: missing (`not_found`), a directory, a device or pipe, empty (`invalid`), not readable (`precondition`).
 */
export async function openFile(path: string): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    // looked at when it is open, so that nothing else can take its place
    handle = await open(path, READ_WITHOUT_WAITING);
    const sizeBytes = regularBytes(path, await handle.stat());
    if (sizeBytes === 0) throw invalid(path, 'the file is empty');
    return { handle, sizeBytes };
  } catch (error) {
    await handle?.close();
    throw error instanceof Fault ? error : fileFault(path, error);
  }
}

/** Size of a regular file. Errors: anything else. */
function regularBytes(path: string, stats: Stats): number {
  if (!stats.isFile()) throw notAFile(path, stats.isDirectory() ? 'a directory' : SPECIAL);
  return stats.size;
}

function notAFile(path: string, found: string): Fault {
  return invalid(path, 'not a file', { found, wanted: 'a regular file' });
}

/** A small text file, such as settings, at once; it may be empty. Errors: those of `readWholeFile`. */
export function readTextSync(path: string, maxBytes: number): string {
  let file: number | undefined;
  try {
    file = openSync(path, READ_WITHOUT_WAITING);
    const sizeBytes = regularBytes(path, fstatSync(file));
    checkSize(path, sizeBytes, maxBytes);
    const bytes = Buffer.alloc(sizeBytes);
    return bytes.toString('utf8', 0, readSync(file, bytes));
  } catch (error) {
    throw error instanceof Fault ? error : fileFault(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Exactly `length` bytes from `position`, in memory of their own. Errors: the file ends before; the reason of `signal`. */
export async function readExactly(
  path: string,
  handle: FileHandle,
  position: number,
  length: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    signal?.throwIfAborted();
    let bytesRead: number;
    try {
      ({ bytesRead } = await handle.read(bytes, done, Math.min(length - done, READ_BYTES), position + done));
    } catch (error) {
      throw fileFault(path, error);
    }
    if (bytesRead === 0) {
      throw invalid(path, 'the file ended while it was read', {
        found: `${position + done} bytes`,
        wanted: `at least ${position + length} bytes`,
      });
    }
    done += bytesRead;
  }
  return bytes;
}

export interface ReadBounds {
  /** The longest file; `MAX_WHOLE_FILE_BYTES` by default. */
  readonly maxBytes?: number;
  /** Gives the reading up between two parts of the file. */
  readonly signal?: AbortSignal;
}

/** The whole file, up to `maxBytes`. Errors: those of `openFile`; a larger file, before anything of it is read. */
export async function readWholeFile(
  path: string,
  { maxBytes = MAX_WHOLE_FILE_BYTES, signal }: ReadBounds = {},
): Promise<Uint8Array> {
  const { handle, sizeBytes } = await openFile(path);
  try {
    checkSize(path, sizeBytes, maxBytes);
    return await readExactly(path, handle, 0, sizeBytes, signal);
  } finally {
    await handle.close();
  }
}

function checkSize(path: string, sizeBytes: number, maxBytes: number): void {
  if (sizeBytes <= maxBytes) return;
  throw invalid(path, 'too large to be read whole', {
    found: `${sizeBytes} bytes`,
    wanted: `at most ${maxBytes} bytes`,
  });
}
