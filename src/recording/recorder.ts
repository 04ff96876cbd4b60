/**
 * A share of the decisions of a server with how they went, written so that `calibrate` and `train` read the folder as it
 * stands. A decision is written at once, to a pending folder of this process; its outcome is joined to it later, some rows
 * at a time, into a shard that appears whole or not at all.
 *
 *   DIRECTORY/MODEL/KEY/shard-*.safetensors     one data set a key (sizes and columns)
 *   DIRECTORY/MODEL/KEY/.pending-ID/            rows that wait for an outcome; of no use to anybody after a crash
 *
 * Invariants: the folder never holds more than `maxBytes`; when it is full nothing is recorded until somebody takes shards
 * away (nothing is deleted that had an outcome); at most `MOST_WRITES` rows are in memory on their way to disk.
 */
import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import type { Clock } from '../batching/clock.js';
import { invalid, toFault } from '../errors.js';
import { makeFolder } from '../weights/folder.js';
import { keyOf, rowFile, writeShard, type FinishedRow, type RecordedRow } from './row-file.js';

export interface RecorderOptions {
  readonly directory: string;
  /** Of the decisions. */
  readonly share: number;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** What became of a row that was wanted. */
  readonly onRow: (model: string, outcome: RowOutcome) => void;
}

export type RowOutcome = 'recorded' | 'no_outcome' | 'full' | 'busy' | 'failed';

/** A row on its way. */
export interface Recording {
  /** From 0 to 1, the best; undefined: there will be none. */
  finish(outcome: number | undefined, executed?: Float32Array): void;
}

const MOST_WRITES = 8;
/** Rows and bytes of a shard, and how long a finished row waits for others: what a crash may lose. */
const SHARD_ROWS = 32;
const SHARD_BYTES = 64 << 20;
const SHARD_MS = 10_000;
/** A full folder is measured again this often. */
const MEASURE_MS = 60_000;
/** Pending rows of another process that has been gone for so long (decisions are remembered for an hour). */
const STALE_MS = 2 * 3_600_000;
const PENDING = '.pending-';

interface Batch {
  readonly rows: FinishedRow[];
  readonly model: string;
  bytes: number;
  readonly cancel: () => void;
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #pending = `${PENDING}${randomBytes(8).toString('hex')}`;
  /** Finished rows by folder. */
  readonly #batches = new Map<string, Batch>();
  readonly #folders = new Set<string>();
  #bytes: number;
  #measuredMs: number;
  #writes = 0;
  /** Everything on disk happens after what was asked before. */
  #work: Promise<void> = Promise.resolve();

  private constructor(options: RecorderOptions, bytes: number) {
    this.#options = options;
    this.#bytes = bytes;
    this.#measuredMs = options.clock.nowMs();
  }

  /** Errors: `invalid` a folder that cannot be written to. */
  static async open(options: RecorderOptions): Promise<Recorder> {
    const { directory } = options;
    try {
      await makeFolder(directory);
      await removeStale(directory);
      const probe = path.join(directory, `.probe-${randomBytes(4).toString('hex')}`);
      await writeFile(probe, '');
      await rm(probe);
      return new Recorder(options, await bytesIn(directory));
    } catch (cause) {
      throw invalid('recording.directory', 'cannot be written to', {
        found: (cause as Error).message,
        mend: 'Choose another with --record',
        cause,
      });
    }
  }

  /** On disk, rows that wait for an outcome included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `draw`: uniform in [0, 1), the same for all decisions of an episode. */
  wants(draw: number): boolean {
    return draw < this.#options.share;
  }

  /** Begins to write a row; undefined when there is no room. Copies what it needs before it returns. */
  begin(model: string, row: RecordedRow): Recording | undefined {
    const { onRow, maxBytes, directory } = this.#options;
    if (this.#writes >= MOST_WRITES) {
      onRow(model, 'busy');
      return undefined;
    }
    const bytes = rowFile(row);
    // a shard stands beside its rows before they go
    if (this.#bytes + 2 * bytes.byteLength > maxBytes) {
      onRow(model, 'full');
      this.#measure();
      return undefined;
    }
    this.#bytes += bytes.byteLength;
    this.#writes++;
    const folder = path.join(directory, model, keyOf(row));
    const file = path.join(folder, this.#pending, `${randomBytes(8).toString('hex')}.safetensors`);
    let written = false;
    this.#then(model, async () => {
      try {
        if (!this.#folders.has(folder)) {
          await makeFolder(path.dirname(file));
          this.#folders.add(folder);
        }
        await writeFile(file, bytes);
        written = true;
      } finally {
        this.#writes--;
        if (!written) this.#bytes -= bytes.byteLength;
      }
    });
    return {
      finish: (outcome, executed) => {
        this.#then(model, async () => {
          if (!written) return;
          if (outcome === undefined) {
            await rm(file, { force: true });
            this.#bytes -= bytes.byteLength;
            onRow(model, 'no_outcome');
            return;
          }
          const finished = { path: file, outcome, ...(executed && { executed }) };
          await this.#add(folder, model, finished, bytes.byteLength);
        });
      },
    };
  }

  /** Resolves when everything that was asked until now is on disk. */
  idle(): Promise<void> {
    return this.#work;
  }

  /** Writes what is finished and forgets the rest. */
  async close(): Promise<void> {
    await this.#work;
    for (const folder of [...this.#batches.keys()]) this.#then('', () => this.#flush(folder));
    await this.#work;
    for (const folder of this.#folders) {
      await rm(path.join(folder, this.#pending), { recursive: true, force: true });
    }
  }

  async #add(folder: string, model: string, row: FinishedRow, bytes: number): Promise<void> {
    let batch = this.#batches.get(folder);
    if (batch === undefined) {
      const cancel = this.#options.clock.setTimer(SHARD_MS, () =>
        this.#then(model, () => this.#flush(folder)),
      );
      batch = { rows: [], model, bytes: 0, cancel };
      this.#batches.set(folder, batch);
    }
    batch.rows.push(row);
    batch.bytes += bytes;
    if (batch.rows.length >= SHARD_ROWS || batch.bytes >= SHARD_BYTES) await this.#flush(folder);
  }

  /** Rows become a shard by one rename; only then do they go. */
  async #flush(folder: string): Promise<void> {
    const batch = this.#batches.get(folder);
    if (batch === undefined) return;
    this.#batches.delete(folder);
    batch.cancel();
    const name = `shard-${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${randomBytes(4).toString('hex')}`;
    const unfinished = path.join(folder, this.#pending, name);
    const shard = path.join(folder, `${name}.safetensors`);
    await writeShard(unfinished, batch.rows);
    await rename(unfinished, shard);
    this.#bytes += (await stat(shard)).size - batch.bytes;
    for (const row of batch.rows) {
      await rm(row.path, { force: true });
      this.#options.onRow(batch.model, 'recorded');
    }
  }

  /** One thing at a time; a disk that fails costs rows, never a request. */
  #then(model: string, task: () => Promise<void>): void {
    this.#work = this.#work.then(task).catch((error: unknown) => {
      this.#options.onRow(model, 'failed');
      this.#options.log.error({ model, err: toFault(error) }, 'a decision could not be recorded');
    });
  }

  #measure(): void {
    const { clock, directory } = this.#options;
    if (clock.nowMs() < this.#measuredMs + MEASURE_MS) return;
    this.#measuredMs = clock.nowMs();
    this.#then('', async () => {
      this.#bytes = await bytesIn(directory);
    });
  }
}

async function bytesIn(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    // a file may go while it is looked at
    const file = await stat(path.join(entry.parentPath, entry.name)).catch(() => undefined);
    bytes += file?.size ?? 0;
  }
  return bytes;
}

/** Pending rows of processes that ended without a word. */
async function removeStale(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isDirectory() || !entry.name.startsWith(PENDING)) continue;
    const folder = path.join(entry.parentPath, entry.name);
    const { mtimeMs } = await stat(folder);
    if (Date.now() - mtimeMs > STALE_MS) await rm(folder, { recursive: true, force: true });
  }
}
