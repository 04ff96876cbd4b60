/** Spooled calibration data as columns, read through open file descriptors: they hold for every thread of the process. */
import { read } from 'node:fs';
import { promisify } from 'node:util';
import type { Columns } from '../calibration/data/columns.js';
import { Fault } from '../errors.js';
import { byteLength, type DType, type Tensor } from '../tensor/tensor.js';

const readAt = promisify(read);

/** Plain, so that it can be sent to another thread. */
export interface SpooledColumn {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Descriptors: one for the whole column, or one for each entry of the first axis. */
  readonly files: readonly number[];
}

/** Closing the descriptors is left to whoever opened them. */
export function spooledColumns(name: string, bytes: number, spooled: readonly SpooledColumn[]): Columns {
  const columns = new Map(spooled.map((column) => [column.name, column]));
  return {
    name,
    bytes,
    header: columns,
    rows: (column, start, end) => readRows(columns.get(column)!, start, end),
    close: () => Promise.resolve(),
  };
}

async function readRows({ dtype, shape, files }: SpooledColumn, start: number, end: number): Promise<Tensor> {
  const rowShape = shape.slice(1);
  const rowBytes = byteLength(dtype, rowShape);
  const bytes = new Uint8Array((end - start) * rowBytes);
  if (files.length === 1) await fill(files[0]!, bytes, start * rowBytes);
  else {
    for (let row = start; row < end; row++) {
      await fill(files[row]!, bytes.subarray((row - start) * rowBytes, (row - start + 1) * rowBytes), 0);
    }
  }
  return { dtype, shape: [end - start, ...rowShape], bytes };
}

async function fill(file: number, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesRead } = await readAt(file, bytes, done, bytes.byteLength - done, position + done);
    if (bytesRead === 0) throw new Fault('internal', 'spooled calibration data ended while they were read');
    done += bytesRead;
  }
}
