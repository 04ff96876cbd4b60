/** Opening a local file for reading, with faults that name the file. */
import { stat, open, type FileHandle } from 'node:fs/promises';
import { Fault, invalid } from '../errors.js';

/** Files that are read whole stay below this, so that one wrong path cannot take all memory. */
export const MAX_WHOLE_FILE_BYTES = 2 * 1024 ** 3;

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
  return new Fault('precondition', 'cannot be read', {
    field: path,
    found: code,
    mend: 'Check that the file is readable by this user.',
    cause: error,
  });
}

/**
 * Opens a regular, non-empty file; the caller closes the handle. Errors name the file: missing (`not_found`),
 * a directory, a device or pipe, empty (`invalid`), not readable (`precondition`).
 */
export async function openFile(path: string): Promise<OpenFile> {
  try {
    // before opening: to open a pipe would wait for its writer
    const stats = await stat(path);
    if (!stats.isFile()) {
      throw invalid(path, 'not a file', {
        found: stats.isDirectory() ? 'a directory' : 'a device, pipe or socket',
        wanted: 'a regular file',
      });
    }
    if (stats.size === 0) throw invalid(path, 'the file is empty');
    return { handle: await open(path, 'r'), sizeBytes: stats.size };
  } catch (error) {
    throw error instanceof Fault ? error : fileFault(path, error);
  }
}

/** Exactly `length` bytes from `position`, in memory of their own. Errors: the file ends before. */
export async function readExactly(
  path: string,
  handle: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    let bytesRead: number;
    try {
      ({ bytesRead } = await handle.read(bytes, done, Math.min(length - done, 2 ** 30), position + done));
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

/** The whole file, up to `MAX_WHOLE_FILE_BYTES`. Errors: those of `openFile`; a larger file. */
export async function readWholeFile(path: string): Promise<Uint8Array> {
  const { handle, sizeBytes } = await openFile(path);
  try {
    if (sizeBytes > MAX_WHOLE_FILE_BYTES) {
      throw invalid(path, 'too large to be read whole', {
        found: `${sizeBytes} bytes`,
        wanted: `at most ${MAX_WHOLE_FILE_BYTES} bytes`,
        mend: 'Split it into several files.',
      });
    }
    return await readExactly(path, handle, 0, sizeBytes);
  } finally {
    await handle.close();
  }
}
