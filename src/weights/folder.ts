/**
 * Folders with their parents. Node 20's own recursive `mkdir` never returns where the file system takes no folders
 * (`/proc/x`): there it finds the parent, tries again, and so on.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

/** Makes `directory` and the parents that are missing. Errors: those of the file system. */
export async function makeFolder(directory: string): Promise<void> {
  const parent = path.dirname(path.resolve(directory));
  try {
    await makeOne(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === directory) throw error;
    await makeFolder(parent);
    await makeOne(directory);
  }
}

async function makeOne(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
