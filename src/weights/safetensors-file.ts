/** Safetensors files larger than memory: the header is read once, tensors or rows of them when asked for. */
import { constants } from 'node:buffer';
import { type FileHandle } from 'node:fs/promises';
import { Fault, invalid } from '../errors.js';
import { byteLength, type DType, type Tensor } from '../tensor/tensor.js';
import { openFile, readExactly } from './file.js';
import {
  LENGTH_BYTES,
  parseHeader,
  readHeaderLength,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from './safetensors-header.js';

/** An open file. Reads may overlap each other; each gives memory of its own. */
export interface SafetensorsFile {
  readonly path: string;
  readonly header: ReadonlyMap<string, { readonly dtype: DType; readonly shape: readonly number[] }>;
  readonly metadata: ReadonlyMap<string, string>;
  /** One whole tensor. Errors: unknown name, larger than one buffer, closed. */
  read(name: string): Promise<Tensor>;
  /** Rows `start` to `end` (excluded) of the first axis: [end - start, ...]. Errors: as `read`; no such rows. */
  readRows(name: string, start: number, end: number): Promise<Tensor>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Opens and checks the header. Errors: those of the file itself (missing, directory, empty) and of its header. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const { handle, sizeBytes } = await openFile(path);
  try {
    const prefix = await readExactly(path, handle, 0, Math.min(LENGTH_BYTES, sizeBytes));
    const headerBytes = readHeaderLength(path, prefix, sizeBytes);
    const json = await readExactly(path, handle, LENGTH_BYTES, headerBytes);
    return new OpenSafetensors(path, handle, parseHeader(path, json, sizeBytes));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

class OpenSafetensors implements SafetensorsFile {
  readonly path: string;
  readonly header: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #dataStart: number;
  #handle: FileHandle | undefined;

  constructor(path: string, handle: FileHandle, header: SafetensorsHeader) {
    this.path = path;
    this.header = header.entries;
    this.metadata = header.metadata;
    this.#dataStart = header.dataStart;
    this.#handle = handle;
  }

  async read(name: string): Promise<Tensor> {
    const { dtype, shape, begin } = this.#entry(name);
    return this.#readAt(name, dtype, shape, begin);
  }

  async readRows(name: string, start: number, end: number): Promise<Tensor> {
    const { dtype, shape, begin } = this.#entry(name);
    const [rows, ...rowShape] = shape;
    if (rows === undefined) throw invalid(`${this.path}: ${name}`, 'a scalar has no rows');
    if (
      !Number.isSafeInteger(start) ||
      !Number.isSafeInteger(end) ||
      start < 0 ||
      end < start ||
      end > rows
    ) {
      throw invalid(`${this.path}: ${name}`, 'no such rows', {
        found: `${start} to ${end}`,
        wanted: `within 0 to ${rows}`,
      });
    }
    const rowBytes = byteLength(dtype, rowShape);
    return this.#readAt(name, dtype, [end - start, ...rowShape], begin + start * rowBytes);
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  #entry(name: string): SafetensorsEntry {
    const entry = this.header.get(name);
    if (!entry) {
      throw invalid(this.path, 'no such tensor', {
        found: name,
        wanted: [...this.header.keys()].slice(0, 20).join(', '),
      });
    }
    return entry;
  }

  async #readAt(name: string, dtype: DType, shape: readonly number[], begin: number): Promise<Tensor> {
    if (!this.#handle) throw new Fault('precondition', 'the file is closed', { field: this.path });
    const length = byteLength(dtype, shape);
    if (length > constants.MAX_LENGTH) {
      throw invalid(`${this.path}: ${name}`, 'too large for one buffer', {
        found: `${length} bytes`,
        wanted: `at most ${constants.MAX_LENGTH} bytes`,
        mend: 'Read fewer rows at a time.',
      });
    }
    const bytes = await readExactly(this.path, this.#handle, this.#dataStart + begin, length);
    return { dtype, shape, bytes };
  }
}
