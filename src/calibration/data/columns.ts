/**
 * A data file as named columns of rows. Safetensors are read row by row, so such files may be larger than memory; .npz
 * and .pt are read whole.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { invalid } from '../../errors.js';
import { inMemory, openTensorFile, type TensorFile } from '../../data/tensor-file.js';
import { toFloat32, type DType, type Tensor } from '../../tensor/tensor.js';

export interface Columns {
  /** File name without its directory, or what else to call the source. */
  readonly name: string;
  readonly bytes: number;
  readonly header: ReadonlyMap<string, { readonly dtype: DType; readonly shape: readonly number[] }>;
  /** Rows `start` to `end` (excluded) of the first axis; memory may be shared with the source. */
  rows(column: string, start: number, end: number): Promise<Tensor>;
  /** Hex sha256 of the file; absent where there is none. Rejects when aborted. */
  digest?(signal: AbortSignal): Promise<string>;
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
  const source = await openTensorFile(file);
  const { size } = await stat(file);
  return { ...columnsOf(source, path.basename(file), size), digest: (signal) => fileDigest(file, signal) };
}

async function fileDigest(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest('hex');
}

/** Columns over tensors in memory. */
export function memoryColumns(name: string, tensors: ReadonlyMap<string, Tensor>): Columns {
  let bytes = 0;
  for (const tensor of tensors.values()) bytes += tensor.bytes.byteLength;
  return columnsOf(inMemory(name, tensors), name, bytes);
}

function columnsOf(file: TensorFile, name: string, bytes: number): Columns {
  return {
    name,
    bytes,
    header: file.header,
    rows: (column, start, end) => file.readRows(column, start, end),
    close: () => file.close(),
  };
}

/** Values of any numeric column; int64 beyond 2^53 is refused, because ids would then run together. */
export function toNumbers(field: string, tensor: Tensor): Float64Array {
  const { dtype, bytes } = tensor;
  const { buffer, byteLength: length } = bytes.slice();
  switch (dtype) {
    case 'int64':
      return Float64Array.from(new BigInt64Array(buffer, 0, length / 8), (value) => {
        const number = Number(value);
        if (!Number.isSafeInteger(number)) {
          throw invalid(field, 'too large', { found: String(value), wanted: 'below 2^53' });
        }
        return number;
      });
    case 'int32':
      return Float64Array.from(new Int32Array(buffer, 0, length / 4));
    case 'int16':
      return Float64Array.from(new Int16Array(buffer, 0, length / 2));
    case 'int8':
      return Float64Array.from(new Int8Array(buffer, 0, length));
    case 'uint8':
    case 'bool':
      return Float64Array.from(new Uint8Array(buffer, 0, length));
    case 'float64':
      return new Float64Array(buffer, 0, length / 8);
    default:
      return Float64Array.from(toFloat32(field, tensor));
  }
}
