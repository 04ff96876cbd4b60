/**
 * The header of a safetensors file: 8 bytes little-endian length n, n bytes of JSON, then the data.
 * Format: https://github.com/huggingface/safetensors#format. Everything is checked before it is used: length, JSON,
 * keys, dtypes, shapes, and that the tensors fill the data without hole or overlap.
 */
import { invalid } from '../errors.js';
import { byteLength, formatShape, type DType } from '../tensor/tensor.js';
import { checkName, checkShape } from './shape.js';
import { asObject, members, parseJson, strictMembers } from './strict-json.js';

/** Bytes of the length in front of the JSON. */
export const LENGTH_BYTES = 8;
/** The format allows 100 MB; this holds some 50,000 tensors and bounds what a lying file can make us parse. */
export const MAX_HEADER_BYTES = 8 * 1024 ** 2;
/** Depth of `{ name: { shape: [ ] } }`; four keys a tensor. */
const HEADER_BOUNDS = { maxDepth: 3, maxKeys: 200_000 };
const METADATA_KEY = '__metadata__';

const DTYPE_OF_CODE: ReadonlyMap<string, DType> = new Map([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
]);
const CODE_OF_DTYPE = new Map([...DTYPE_OF_CODE].map(([code, dtype]) => [dtype, code]));

export interface SafetensorsEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Half-open byte range within the data part. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the file's header. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Position of the first data byte in the file. */
  readonly dataStart: number;
}

/** Length n of the JSON. Errors: a file too short, an n that exceeds the file or `MAX_HEADER_BYTES`. */
export function readHeaderLength(field: string, prefix: Uint8Array, fileBytes: number): number {
  if (prefix.byteLength < LENGTH_BYTES) {
    throw invalid(field, 'too short for a safetensors file', { found: `${prefix.byteLength} bytes` });
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  const limit = Math.min(MAX_HEADER_BYTES, fileBytes - LENGTH_BYTES);
  if (length > BigInt(limit)) {
    throw invalid(field, 'safetensors header length out of range', {
      found: `${length} bytes`,
      wanted: `at most ${limit} bytes`,
      mend: 'The file is truncated, or not a safetensors file.',
    });
  }
  return Number(length);
}

function parseMetadata(field: string, json: string): Map<string, string> {
  if (!asObject(parseJson(field, json))) throw invalid(field, 'not an object of strings');
  const metadata = new Map<string, string>();
  for (const [key, text] of members(field, json)) {
    const value = parseJson(field, text);
    if (typeof value !== 'string')
      throw invalid(field, 'not a string', { found: `${key.slice(0, 60)}: ${typeof value}` });
    metadata.set(key, value);
  }
  return metadata;
}

function parseEntry(field: string, json: string): SafetensorsEntry {
  const object = asObject(parseJson(field, json));
  if (!object) throw invalid(field, 'not an object with dtype, shape and data_offsets');
  for (const key of Object.keys(object)) {
    if (key !== 'dtype' && key !== 'shape' && key !== 'data_offsets') {
      throw invalid(field, 'unknown key', {
        found: key.slice(0, 60),
        wanted: 'dtype, shape and data_offsets',
      });
    }
  }
  const dtype = typeof object.dtype === 'string' ? DTYPE_OF_CODE.get(object.dtype) : undefined;
  if (dtype === undefined) {
    throw invalid(`${field}.dtype`, 'unsupported dtype', {
      found: typeof object.dtype === 'string' ? object.dtype.slice(0, 40) : typeof object.dtype,
      wanted: [...DTYPE_OF_CODE.keys()].join(', '),
    });
  }
  const shape = checkShape(`${field}.shape`, dtype, object.shape);
  const offsets: unknown = object.data_offsets;
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : [];
  if (
    typeof begin !== 'number' ||
    typeof end !== 'number' ||
    !Number.isSafeInteger(begin) ||
    !Number.isSafeInteger(end) ||
    begin < 0 ||
    end < begin
  ) {
    throw invalid(`${field}.data_offsets`, 'not a byte range', {
      wanted: '[begin, end] with 0 <= begin <= end',
    });
  }
  if (end - begin !== byteLength(dtype, shape)) {
    throw invalid(`${field}.data_offsets`, 'byte range does not match shape and dtype', {
      found: `${end - begin} bytes`,
      wanted: `${byteLength(dtype, shape)} bytes for ${dtype} ${formatShape(shape)}`,
    });
  }
  return { dtype, shape, begin, end };
}

/** Refuses holes, overlaps and ranges beyond the data: sorted by offset, each begins where the one before ended. */
function checkLayout(field: string, entries: ReadonlyMap<string, SafetensorsEntry>, dataBytes: number): void {
  let position = 0;
  const sorted = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  for (const [name, { begin, end }] of sorted) {
    if (begin !== position) {
      throw invalid(
        `${field}: ${name}`,
        begin < position ? 'overlaps another tensor' : 'leaves a hole before it',
        {
          found: `begin ${begin}`,
          wanted: `begin ${position}`,
        },
      );
    }
    position = end;
  }
  if (position !== dataBytes) {
    throw invalid(field, 'tensors do not fill the data part of the file', {
      found: `${dataBytes} bytes of data`,
      wanted: `${position} bytes`,
      mend: dataBytes < position ? 'The file is truncated.' : 'The file has bytes that belong to no tensor.',
    });
  }
}

/** Parses the JSON part of a file of `fileBytes` bytes. Errors name `field` and the tensor. */
export function parseHeader(field: string, json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const entries = new Map<string, SafetensorsEntry>();
  let metadata = new Map<string, string>();
  for (const [name, value] of strictMembers(`${field}: header`, json, HEADER_BOUNDS)) {
    checkName(`${field}: header`, name);
    if (name === METADATA_KEY) metadata = parseMetadata(`${field}: ${METADATA_KEY}`, value);
    else entries.set(name, parseEntry(`${field}: ${name}`, value));
  }
  const dataStart = LENGTH_BYTES + json.byteLength;
  checkLayout(field, entries, fileBytes - dataStart);
  return { entries, metadata, dataStart };
}

/** Length and JSON of a header, padded with spaces so that the data starts at a multiple of 8. */
export function formatHeader(
  entries: ReadonlyMap<string, SafetensorsEntry>,
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  const written = [...entries].map(([name, { dtype, shape, begin, end }]): [string, string] => {
    if (name === METADATA_KEY) throw invalid(name, 'reserved name, not for a tensor');
    return [name, JSON.stringify({ dtype: CODE_OF_DTYPE.get(dtype), shape, data_offsets: [begin, end] })];
  });
  // written member by member: an object would reorder integer-like names
  const object = (of: readonly (readonly [string, string])[]): string =>
    `{${of.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
  if (metadata.size > 0) {
    const texts = [...metadata].map(([key, text]) => [key, JSON.stringify(text)] as const);
    written.unshift([METADATA_KEY, object(texts)]);
  }
  const json = object(written);
  const text = new TextEncoder().encode(json);
  const padded = Math.ceil(text.byteLength / 8) * 8;
  if (padded > MAX_HEADER_BYTES) {
    throw invalid('tensors', 'header too large', {
      found: `${padded} bytes`,
      wanted: `at most ${MAX_HEADER_BYTES} bytes`,
    });
  }
  const header = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(text, LENGTH_BYTES);
  return header;
}
