/** Data files by name of tensor. A safetensors file may be larger than memory; other formats are read whole. */
import { invalid } from '../errors.js';
import { byteLength, type DType, type Tensor } from '../tensor/tensor.js';
import { readTensors } from '../weights/checkpoint.js';
import { openSafetensors } from '../weights/safetensors.js';

export interface TensorFile {
  readonly path: string;
  readonly header: ReadonlyMap<string, { readonly dtype: DType; readonly shape: readonly number[] }>;
  /** One whole tensor. Errors: unknown name. */
  read(name: string): Promise<Tensor>;
  /** Rows `start` to `end` (excluded) of the first axis. Errors: unknown name, no such rows. */
  readRows(name: string, start: number, end: number): Promise<Tensor>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Opens .safetensors (rows are read when asked for), .npz or .pt (read whole). Errors: those of the reader. */
export async function openTensorFile(path: string): Promise<TensorFile> {
  if (path.toLowerCase().endsWith('.safetensors')) return openSafetensors(path);
  return inMemory(path, await readTensors(path));
}

/** Tensors that are in memory already, in the form of a file; `path` is what faults name. */
export function inMemory(path: string, tensors: ReadonlyMap<string, Tensor>): TensorFile {
  const get = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor) return tensor;
    throw invalid(path, 'no such tensor', {
      found: name,
      wanted: [...tensors.keys()].slice(0, 20).join(', '),
    });
  };
  return {
    path,
    header: tensors,
    read: async (name) => get(name),
    readRows: async (name, start, end) => {
      const { dtype, shape, bytes } = get(name);
      const [rows = 0, ...rowShape] = shape;
      if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > rows) {
        throw invalid(`${path}: ${name}`, 'no such rows', {
          found: `${start} to ${end}`,
          wanted: `within 0 to ${rows}`,
        });
      }
      const rowBytes = byteLength(dtype, rowShape);
      return {
        dtype,
        shape: [end - start, ...rowShape],
        bytes: bytes.subarray(start * rowBytes, end * rowBytes),
      };
    },
    close: async () => undefined,
  };
}
