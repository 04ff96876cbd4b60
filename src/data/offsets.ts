/** Offsets of ragged rows: item i is rows offsets[i] to offsets[i + 1] of a tensor of T rows. */
import { invalid } from '../errors.js';
import { formatShape } from '../tensor/tensor.js';
import type { TensorFile } from './tensor-file.js';

/**
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
