/**
 * Calibration data on its way from a stream to a pass: appended to one file a column as it arrives, read back row by row.
 * Never whole in memory. The files have no name any more once they are open, so nothing stays behind however this
 * process ends.
 */
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { shardLayout } from '../calibration/data/layout.js';
import { Fault, invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { refuse } from '../model/problems.js';
import { formatShape, type Tensor } from '../tensor/tensor.js';
import type { SpooledColumn } from './calibration-columns.js';
import { spaceOf, wantedBytes, type Space } from './disk-space.js';

export interface SpoolOptions {
  readonly card: ModelCard;
  /** Where the files lie. */
  readonly directory: string;
  readonly maxBytes: number;
  /** M that the header declares. */
  readonly rows: number;
  /** Free bytes and size of the file system of `directory`; asked before every append. */
  readonly space?: (directory: string) => Promise<Space>;
}

interface OpenColumn {
  readonly handles: readonly FileHandle[];
  readonly tensor: Omit<Tensor, 'bytes'>;
  /** Axis along which rows lie: 1 for layer_actions, which has a file a layer, 0 otherwise. */
  readonly axis: 0 | 1;
  rows: number;
}

export class CalibrationSpool {
  readonly #options: SpoolOptions;
  #columns: ReadonlyMap<string, OpenColumn> | undefined;
  #rows = 0;
  #tokens = 0;
  #bytes = 0;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Appends some rows: columns by name in the layout of calibration files, offsets from 0. Errors: `invalid` naming every
   * tensor that does not fit the model or differs from the first message's, too many rows or bytes; `exhausted` a disk that is
   * full or nearly.
   */
  async add(tensors: ReadonlyMap<string, Tensor>): Promise<void> {
    const { card, rows: declared, maxBytes } = this.#options;
    const { layout, problems } = shardLayout({ name: 'rows', header: tensors }, card);
    refuse('rows', problems);
    if (this.#rows + layout.rows > declared) {
      throw invalid('header.rows', 'more rows than declared', {
        found: `${this.#rows + layout.rows} so far`,
        wanted: String(declared),
      });
    }
    let added = 0;
    for (const { bytes } of tensors.values()) added += bytes.byteLength;
    this.#bytes += added;
    if (this.#bytes > maxBytes) {
      throw invalid('rows', 'more data than this server takes', {
        found: `${this.#bytes} bytes`,
        wanted: `at most ${maxBytes} bytes`,
        mend: 'Send fewer rows; a few thousand suffice',
      });
    }
    await this.#leaveSpace(added);
    this.#columns ??= await openColumnFiles(this.#options.directory, tensors);
    checkAlike(this.#columns, tensors);
    for (const [name, column] of this.#columns) {
      const tensor = tensors.get(name)!;
      await append(column, name === 'offsets' ? this.#placed(tensor) : tensor);
    }
    this.#rows += layout.rows;
    if (layout.ragged) this.#tokens += tensors.get('hidden')!.shape[0]!;
  }

  /** What a reader needs; the files stay open until `close`. Errors: rows that are missing. */
  finish(): SpooledColumn[] {
    const { rows } = this.#options;
    if (this.#rows !== rows || this.#columns === undefined) {
      throw invalid('header.rows', 'the stream ended too early', {
        found: `${this.#rows} rows`,
        wanted: `${rows}, as the header declares`,
      });
    }
    return [...this.#columns].map(([name, { handles, tensor, axis, rows: total }]) => ({
      name,
      dtype: tensor.dtype,
      shape: tensor.shape.map((size, at) => (at === axis ? total : size)),
      files: handles.map(({ fd }) => fd),
    }));
  }

  async #leaveSpace(bytes: number): Promise<void> {
    const { directory, space = spaceOf } = this.#options;
    const found = await space(directory).catch((cause: unknown) => {
      throw cannotBeKept(cause);
    });
    const wanted = wantedBytes(found, bytes);
    if (found.freeBytes >= wanted) return;
    throw new Fault('exhausted', 'no room for more calibration data', {
      field: 'rows',
      found: `${found.freeBytes} bytes free where they are kept`,
      wanted: `${wanted}`,
      mend: 'Make room there, or name another folder with --calibration-directory',
    });
  }

  /** Offsets [m + 1] behind those of the rows before, which end where these begin: that offset is there already. */
  #placed({ dtype, bytes }: Tensor): Tensor {
    const offsets = new BigInt64Array(bytes.slice().buffer).map((offset) => offset + BigInt(this.#tokens));
    const fresh = this.#rows > 0 ? offsets.subarray(1) : offsets;
    const placed = new Uint8Array(fresh.buffer, fresh.byteOffset, fresh.byteLength);
    return { dtype, shape: [fresh.length], bytes: placed };
  }

  async close(): Promise<void> {
    for (const { handles } of this.#columns?.values() ?? []) await closeAll(handles);
    this.#columns = undefined;
  }
}

function cannotBeKept(cause: unknown): Fault {
  return new Fault('precondition', 'calibration data cannot be kept while they arrive', {
    field: 'calibration.directory',
    found: (cause as Error).message,
    cause,
  });
}

async function openColumnFiles(
  parent: string,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<Map<string, OpenColumn>> {
  const opened: FileHandle[] = [];
  let directory: string | undefined;
  try {
    directory = await mkdtemp(path.join(parent, 'action-energy-calibration-'));
    const columns = new Map<string, OpenColumn>();
    for (const [name, { dtype, shape }] of tensors) {
      const axis = name === 'layer_actions' ? 1 : 0;
      const handles: FileHandle[] = [];
      for (let file = 0; file < (axis === 1 ? shape[0]! : 1); file++) {
        const handle = await open(path.join(directory, `${name}.${file}`), 'wx+', 0o600);
        opened.push(handle);
        handles.push(handle);
      }
      columns.set(name, { handles, tensor: { dtype, shape }, axis, rows: 0 });
    }
    return columns;
  } catch (cause) {
    await closeAll(opened);
    throw cannotBeKept(cause);
  } finally {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  }
}

/** Everything but the number of rows must be as in the first message. */
function checkAlike(columns: ReadonlyMap<string, OpenColumn>, tensors: ReadonlyMap<string, Tensor>): void {
  const describe = ({ dtype, shape }: Omit<Tensor, 'bytes'>, axis: number): string =>
    `${dtype} ${formatShape(shape.filter((_, at) => at !== axis))} a row`;
  for (const name of new Set([...columns.keys(), ...tensors.keys()])) {
    const first = columns.get(name);
    const tensor = tensors.get(name);
    const wanted = first === undefined ? 'nothing' : describe(first.tensor, first.axis);
    const found = tensor === undefined ? 'nothing' : describe(tensor, first?.axis ?? 0);
    if (found !== wanted) throw invalid(`rows.${name}`, 'differs from the first message', { found, wanted });
  }
}

async function append(column: OpenColumn, { shape, bytes }: Tensor): Promise<void> {
  const part = bytes.byteLength / column.handles.length;
  try {
    for (const [file, handle] of column.handles.entries()) {
      await handle.writeFile(bytes.subarray(file * part, (file + 1) * part));
    }
  } catch (cause) {
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new Fault(full ? 'exhausted' : 'internal', 'calibration data cannot be kept', {
      field: 'rows',
      found: full ? 'a full disk' : (cause as Error).message,
      cause,
    });
  }
  column.rows += shape[column.axis]!;
}

async function closeAll(handles: readonly FileHandle[]): Promise<void> {
  for (const handle of handles) await handle.close();
}
