/** Data files by name of tensor. A safetensors file may be larger than memory; other formats are read whole. */
import { invalid } from '../errors.js';
import { byteLength, type DType, type Tensor, formatShape } from '../tensor/tensor.js';
import { readTensors } from '../weights/checkpoint.js';
import { openSafetensors } from '../weights/safetensors.js';

/** Keys of the layout of data files (docs/calibration.md); each reader uses those that it needs. */
export const DATA_KEYS = [
  'hidden',
  'offsets',
  'actions',
  'pad_mask',
  'task_id',
  'episode_id',
  'step',
  'negatives',
  'layer_actions',
  'policy_actions',
  'candidates',
  'candidate_cost',
  'outcome',
  'token_group',
] as const;

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

/**
 * Offsets of ragged rows: item i is rows offsets[i] to offsets[i + 1] of a tensor of T rows.
 *
 * `key` of `file`, [B + 1] int64 or int32. Errors: another dtype or shape, no item, an item without rows, a start
 * other than 0, an end other than `rows`.
 */
export async function readOffsets(file: TensorFile, key: string, rows: number): Promise<number[]> {
  const field = `${file.path}: ${key}`;
  const { dtype, shape } = file.header.get(key)!;
  if (dtype !== 'int64' && dtype !== 'int32') {
    throw invalid(`${field}.dtype`, 'not offsets', { found: dtype, wanted: 'int64 or int32' });
  }
  if (shape.length !== 1 || shape[0]! < 2) {
    throw invalid(`${field}.shape`, 'not offsets', { found: formatShape(shape), wanted: '[B + 1], B >= 1' });
  }
  const { bytes } = await file.read(key);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offsets = Array.from({ length: shape[0]! }, (_, i) =>
    dtype === 'int64' ? Number(view.getBigInt64(8 * i, true)) : view.getInt32(4 * i, true),
  );
  for (const [i, offset] of offsets.entries()) {
    const least = i === 0 ? 0 : offsets[i - 1]! + 1;
    const exact = i === 0 ? 0 : i === offsets.length - 1 ? rows : undefined;
    if (offset >= least && offset <= rows && (exact === undefined || offset === exact)) continue;
    throw invalid(`${field}[${i}]`, 'wrong offset', {
      found: String(offset),
      wanted: exact === undefined ? `${least} to ${rows}` : `${exact}`,
      mend: `Offsets begin at 0, rise with every context and end at the ${rows} rows of hidden.`,
    });
  }
  return offsets;
}
