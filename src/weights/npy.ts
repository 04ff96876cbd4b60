/**
 * NumPy arrays: .npy (versions 1, 2, 3) and .npz (a zip of them).
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
 */
import { invalid, type Fault } from '../errors.js';
import { byteLength, formatShape, type DType, type Tensor } from '../tensor/tensor.js';
import type { Archive } from './archive.js';
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

/**
 * The header, a Python literal such as `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`. Only these three keys, each
 * once; only the literals that they may hold.
 */
interface NpyHeader {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** String without escapes, name, integer (Python 2 wrote `3L`), punctuation. */
const TOKEN = /\s*(?:'([^'\\\n]*)'|"([^"\\\n]*)"|(True|False)|(\d{1,16})L?|([{}():,]))/y;

interface Token {
  readonly kind: 'string' | 'bool' | 'int' | 'punctuation';
  readonly text: string;
}

class Tokens {
  readonly #field: string;
  readonly #text: string;
  readonly #pattern = new RegExp(TOKEN);
  #position = 0;

  constructor(field: string, text: string) {
    this.#field = field;
    this.#text = text;
  }

  fault(wanted: string): Fault {
    return invalid(`${this.#field}: header`, 'not the header of a plain array', {
      found: JSON.stringify(this.#text.slice(this.#position, this.#position + 40)),
      wanted,
    });
  }

  /** The token here, not taken; undefined when there is none. */
  #peek(): { token: Token; end: number } | undefined {
    this.#pattern.lastIndex = this.#position;
    const match = this.#pattern.exec(this.#text);
    if (!match) return undefined;
    const [, single, double, bool, int, punctuation] = match;
    const string = single ?? double;
    const end = this.#pattern.lastIndex;
    if (string !== undefined) return { token: { kind: 'string', text: string }, end };
    if (bool !== undefined) return { token: { kind: 'bool', text: bool }, end };
    if (int !== undefined) return { token: { kind: 'int', text: int }, end };
    return { token: { kind: 'punctuation', text: punctuation! }, end };
  }

  take(kind: Token['kind'], wanted: string): string {
    const next = this.#peek();
    if (next?.token.kind !== kind) throw this.fault(wanted);
    this.#position = next.end;
    return next.token.text;
  }

  expect(text: string): void {
    if (!this.accept(text)) throw this.fault(`'${text}'`);
  }

  accept(text: string): boolean {
    const next = this.#peek();
    if (next?.token.kind !== 'punctuation' || next.token.text !== text) return false;
    this.#position = next.end;
    return true;
  }

  finish(): void {
    if (this.#text.slice(this.#position).trim() !== '') throw this.fault('nothing more');
  }
}

/** `()`, `(3,)`, `(3, 4)`. */
function parseShape(tokens: Tokens): number[] {
  const shape: number[] = [];
  tokens.expect('(');
  while (!tokens.accept(')')) {
    shape.push(Number(tokens.take('int', 'a tuple of sizes')));
    if (!tokens.accept(',')) {
      // without a comma `(3)` would be a number in Python
      if (shape.length === 1) throw tokens.fault("','");
      tokens.expect(')');
      break;
    }
  }
  return shape;
}

/** Parses the literal. Errors name `field`: other keys, other literals, a key missing or twice. */
function parseNpyHeader(field: string, text: string): NpyHeader {
  const tokens = new Tokens(field, text);
  let descr: string | undefined;
  let fortranOrder: boolean | undefined;
  let shape: number[] | undefined;
  tokens.expect('{');
  while (!tokens.accept('}')) {
    const key = tokens.take('string', 'a key');
    tokens.expect(':');
    if (key === 'descr' && descr === undefined) {
      descr = tokens.take('string', 'a dtype string (structured arrays are not supported)');
    } else if (key === 'fortran_order' && fortranOrder === undefined) {
      fortranOrder = tokens.take('bool', 'True or False') === 'True';
    } else if (key === 'shape' && shape === undefined) {
      shape = parseShape(tokens);
    } else {
      throw tokens.fault('descr, fortran_order and shape, each once');
    }
    if (!tokens.accept(',')) {
      tokens.expect('}');
      break;
    }
  }
  tokens.finish();
  if (descr === undefined || fortranOrder === undefined || shape === undefined) {
    throw tokens.fault('descr, fortran_order and shape');
  }
  return { descr, fortranOrder, shape };
}
