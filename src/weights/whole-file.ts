/**
 * Files that are there whole or not at all. Written to a file beside, flushed and renamed: whoever reads, and whatever kills the
 * writer, finds the old file or the new one. What a killed writer left behind the next one removes.
 */
import { access, constants, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Fault } from '../errors.js';

/** `.NAME.PID.tmp` beside the file NAME that it becomes. */
const LEFTOVER = /^\.(.+)\.(\d+)\.tmp$/;

/** Before work that takes minutes: the folder that `file` goes to is there and writable. Errors: `precondition`. */
export async function checkWritable(file: string): Promise<void> {
  await access(path.dirname(file), constants.W_OK).catch((cause: unknown) => {
    throw notWritable(file, cause);
  });
}

/** Writes a file whole or not at all, and removes what killed writers of it left. Returns its path. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<string> {
  const directory = path.dirname(file);
  const name = path.basename(file);
  const temporary = path.join(directory, `.${name}.${process.pid}.tmp`);
  try {
    await removeLeftovers(directory, name);
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncDirectory(directory);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw notWritable(file, cause);
  }
  return file;
}

function notWritable(file: string, cause: unknown): Fault {
  return new Fault('precondition', 'cannot be written', {
    field: file,
    found: (cause as Error).message,
    mend: 'Check that the directory exists and is writable.',
    cause,
  });
}

/** The rename itself must survive a power failure too. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeLeftovers(directory: string, file: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, owner, pid] = LEFTOVER.exec(name) ?? [];
    if (owner !== file || isAlive(Number(pid))) continue;
    await rm(path.join(directory, name), { force: true });
  }
}

/** A writer of this file that still runs keeps its file. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
