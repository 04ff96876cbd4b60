/**
 * NumPy arrays: .npy (versions 1, 2, 3) and .npz (a zip of them).
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
 */
import { invalid } from '../errors.js';
import { byteLength, formatShape, type DType, type Tensor } from '../tensor/tensor.js';
import { type Archive } from './archive.js';
import { parseNpyHeader } from './npy-header.js';
import { checkShape } from './shape.js';
import { gather } from './strided.js';

export const NPY_MAGIC = Buffer.from('\x93NUMPY', 'latin1');
const SUFFIX = '.npy';
/** NumPy itself refuses more than 10,000 by default. */
const MAX_HEADER_BYTES = 65_536;
/** Magic, two version bytes, a length of two (version 1) or four bytes. */
const VERSION_OFFSET = 6;
const LENGTH_OFFSET = 8;

const DTYPE_OF_DESCR: ReadonlyMap<string, DType> = new Map([
  ['<f8', 'float64'],
  ['<f4', 'float32'],
  ['<f2', 'float16'],
  ['<i8', 'int64'],
  ['<i4', 'int32'],
  ['<i2', 'int16'],
  ['|i1', 'int8'],
  ['|u1', 'uint8'],
  ['|b1', 'bool'],
]);

/** What to do about a dtype that NumPy writes and this reader does not take. */
function mendFor(descr: string): string {
  if (descr.startsWith('>')) return "Save it little-endian: array.astype(array.dtype.newbyteorder('<')).";
  if (descr.includes('V')) return 'bfloat16 has no name in .npy: save it as safetensors, or as float32.';
  if (descr.includes('O')) return 'An object array holds a pickle: save plain numeric arrays.';
  return 'Convert it: array.astype(numpy.float32).';
}

/** One array; a view of `bytes`, but for Fortran order, which is copied into row-major order. Errors name `field`. */
export function readNpy(field: string, bytes: Uint8Array): Tensor {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = buffer[VERSION_OFFSET];
  const lengthBytes = version === 1 ? 2 : 4;
  const headerStart = LENGTH_OFFSET + lengthBytes;
  if (buffer.length < headerStart || !buffer.subarray(0, NPY_MAGIC.length).equals(NPY_MAGIC)) {
    throw invalid(field, 'not an .npy file');
  }
  if (version !== 1 && version !== 2 && version !== 3) {
    throw invalid(field, 'unsupported .npy version', { found: String(version), wanted: '1, 2 or 3' });
  }
  const headerBytes = buffer.readUIntLE(LENGTH_OFFSET, lengthBytes);
  const limit = Math.min(MAX_HEADER_BYTES, buffer.length - headerStart);
  if (headerBytes > limit) {
    throw invalid(field, '.npy header length out of range', {
      found: `${headerBytes} bytes`,
      wanted: `at most ${limit} bytes`,
      mend: 'The file is truncated or damaged.',
    });
  }
  const dataStart = headerStart + headerBytes;
  const text = buffer.toString(version === 3 ? 'utf8' : 'latin1', headerStart, dataStart);
  const { descr, fortranOrder, shape } = parseNpyHeader(field, text);
  const dtype = DTYPE_OF_DESCR.get(descr);
  if (dtype === undefined) {
    throw invalid(`${field}: descr`, 'unsupported dtype', {
      found: descr.slice(0, 40),
      wanted: [...DTYPE_OF_DESCR.keys()].join(', '),
      mend: mendFor(descr),
    });
  }
  const sizes = checkShape(`${field}: shape`, dtype, shape);
  const wanted = byteLength(dtype, sizes);
  if (buffer.length - dataStart !== wanted) {
    throw invalid(field, 'byte length does not match shape and dtype', {
      found: `${buffer.length - dataStart} bytes`,
      wanted: `${wanted} bytes for ${dtype} ${formatShape(sizes)}`,
    });
  }
  const data = bytes.subarray(dataStart);
  if (!fortranOrder || sizes.length < 2) return { dtype, shape: sizes, bytes: data };
  // the first axis is the densest one
  const strides = sizes.map((_, axis) => sizes.slice(0, axis).reduce((product, size) => product * size, 1));
  return { dtype, shape: sizes, bytes: gather({ dtype, offset: 0, shape: sizes, strides }, data) };
}

/** The arrays of an .npz archive by name (without `.npy`). Errors name `field` and the array. */
export async function readNpz(field: string, archive: Archive): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const member of archive.names) {
    if (!member.endsWith(SUFFIX)) {
      throw invalid(field, 'not an .npz archive', { found: member, wanted: `members named *${SUFFIX}` });
    }
    const name = member.slice(0, -SUFFIX.length);
    tensors.set(name, readNpy(`${field}: ${name}`, await archive.read(member)));
  }
  return tensors;
}
