/** What is written for clients leaves room to others: a full disk stops more than a calibration or a training. */
import { statfs } from 'node:fs/promises';

export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

const SPARE_SHARE = 0.05;
const MOST_SPARE_BYTES = 1024 ** 3;

/** Of the file system that `directory` is on. Errors: those of the file system. */
export async function spaceOf(directory: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Free bytes that there must be for `bytes` more. */
export function wantedBytes({ totalBytes }: Space, bytes: number): number {
  return Math.ceil(Math.min(MOST_SPARE_BYTES, SPARE_SHARE * totalBytes) + bytes);
}
