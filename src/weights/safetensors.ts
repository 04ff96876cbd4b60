/** Safetensors files in memory: https://github.com/huggingface/safetensors#format. */
import { constants } from 'node:buffer';
import { invalid } from '../errors.js';
import { BYTES_PER_ELEMENT, makeTensor, type Tensor } from '../tensor/tensor.js';
import {
  formatHeader,
  LENGTH_BYTES,
  parseHeader,
  readHeaderLength,
  type SafetensorsEntry,
} from './safetensors-header.js';

export { openSafetensors, type SafetensorsFile } from './safetensors-file.js';

/** Tensors (views of `bytes`, not copied) and metadata. Errors name `field` and the tensor or header key. */
export function readSafetensors(
  field: string,
  bytes: Uint8Array,
): { tensors: Map<string, Tensor>; metadata: ReadonlyMap<string, string> } {
  const headerBytes = readHeaderLength(field, bytes, bytes.byteLength);
  const json = bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  const { entries, metadata, dataStart } = parseHeader(field, json, bytes.byteLength);
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, begin, end }] of entries) {
    tensors.set(name, { dtype, shape, bytes: bytes.subarray(dataStart + begin, dataStart + end) });
  }
  return { tensors, metadata };
}

/**
 * The file's bytes. Widest elements first, then by name, so that every tensor is aligned to its element size and equal
 * input gives equal bytes. Errors: a tensor whose bytes do not match its shape, the reserved name `__metadata__`,
 * a file larger than one buffer.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  const entries = new Map<string, SafetensorsEntry>();
  let position = 0;
  for (const [name, tensor] of sorted) {
    const { dtype, shape, bytes } = makeTensor(name, tensor.dtype, tensor.shape, tensor.bytes);
    entries.set(name, { dtype, shape, begin: position, end: position + bytes.byteLength });
    position += bytes.byteLength;
  }
  const header = formatHeader(entries, metadata);
  const fileBytes = header.byteLength + position;
  if (fileBytes > constants.MAX_LENGTH) {
    throw invalid('tensors', 'too large for one buffer', {
      found: `${fileBytes} bytes`,
      wanted: `at most ${constants.MAX_LENGTH} bytes`,
    });
  }
  const file = new Uint8Array(fileBytes);
  file.set(header);
  for (const [name, { bytes }] of sorted) file.set(bytes, header.byteLength + entries.get(name)!.begin);
  return file;
}
