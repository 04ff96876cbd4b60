/**
 * A data file as named columns of rows. Safetensors are read row by row, so such files may be larger than memory; .npz
 * and .pt are read whole.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { invalid } from '../../errors.js';
import { byteLength, type DType, type Tensor } from '../../tensor/tensor.js';
import { readTensors } from '../../weights/checkpoint.js';
import { openSafetensors } from '../../weights/safetensors.js';

export interface Columns {
  /** File name without its directory, or what else to call the source. */
  readonly name: string;
  readonly bytes: number;
  readonly header: ReadonlyMap<string, { readonly dtype: DType; readonly shape: readonly number[] }>;
  /** Rows `start` to `end` (excluded) of the first axis; memory may be shared with the source. */
  rows(column: string, start: number, end: number): Promise<Tensor>;
  close(): Promise<void>;
}

/** The files that are meant: of a folder (a recording) its .safetensors, in the order of their names. Errors: a folder without any. */
export async function dataFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const each of paths) {
    const entry = await stat(each).catch(() => undefined); // what is not there is the reader's to refuse
    if (entry?.isDirectory() !== true) {
      files.push(each);
      continue;
    }
    const shards = (await readdir(each)).filter((name) => name.endsWith('.safetensors')).sort();
    if (shards.length === 0) {
      throw invalid(each, 'a folder without data', {
        wanted: 'files that end in .safetensors',
        mend: 'Name the folder of one data set, or its files',
      });
    }
    files.push(...shards.map((name) => path.join(each, name)));
  }
  return files;
}

/** Errors: those of the readers; each names the file. */
export async function openColumns(file: string): Promise<Columns> {
  const name = path.basename(file);
  if (!file.endsWith('.safetensors')) return memoryColumns(name, await readTensors(file));
  const source = await openSafetensors(file);
  const { size } = await stat(file);
  return {
    name,
    bytes: size,
    header: source.header,
    rows: (column, start, end) => source.readRows(column, start, end),
    close: () => source.close(),
  };
}

/** Columns over tensors in memory (a client's stream, a file read whole). */
export function memoryColumns(name: string, tensors: ReadonlyMap<string, Tensor>): Columns {
  let bytes = 0;
  for (const tensor of tensors.values()) bytes += tensor.bytes.byteLength;
  return {
    name,
    bytes,
    header: tensors,
    rows: async (column, start, end) => {
      const { dtype, shape, bytes: all } = tensors.get(column)!;
      const rowBytes = byteLength(dtype, shape.slice(1));
      return {
        dtype,
        shape: [end - start, ...shape.slice(1)],
        bytes: all.subarray(start * rowBytes, end * rowBytes),
      };
    },
    close: async () => undefined,
  };
}
