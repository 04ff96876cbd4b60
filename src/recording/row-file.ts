/**
 * A recorded decision on disk, and several of them as one shard in the layout of calibration data (docs/calibration.md): what
 * was executed stands in `actions`, the policy's samples in `candidates` with its own choice first, how it went in
 * `outcome`, from 0 to 1, the best. Masked tokens are left out.
 */
import { open, readFile } from 'node:fs/promises';
import type { ActionBatch } from '../model/actions.js';
import { chunkOf } from '../selection/candidates.js';
import { BYTES_PER_ELEMENT, float32Tensor, type DType, type Tensor } from '../tensor/tensor.js';
import { readSafetensors, writeSafetensors } from '../weights/safetensors.js';
import { formatHeader, type SafetensorsEntry } from '../weights/safetensors-header.js';

export interface RecordedRow {
  /** Visible tokens [T, D]; [1, D] for a global_context model. */
  readonly hidden: { readonly dtype: DType; readonly bytes: Uint8Array };
  readonly stateDim: number;
  /** One vector a context, not tokens. */
  readonly perVector: boolean;
  readonly candidates: ActionBatch;
  readonly baseline: number;
  /** What is to be executed, [H, A]. */
  readonly executed: Float32Array;
  readonly episode: number;
  readonly step: number | undefined;
  readonly task: number | undefined;
}

/** Rows of one key share columns, dtypes and sizes, so that they can be one data set. */
export function keyOf({ hidden, candidates, step, task }: RecordedRow): string {
  const parts = [`n${candidates.candidates}`, `h${candidates.steps}`, hidden.dtype];
  if (step !== undefined) parts.push('step');
  if (task !== undefined) parts.push('task');
  return parts.join('-');
}

/** A file of one row without its outcome. */
export function rowFile(row: RecordedRow): Uint8Array {
  const { hidden, stateDim, candidates, baseline, executed } = row;
  const tokens = hidden.bytes.byteLength / (stateDim * BYTES_PER_ELEMENT[hidden.dtype]);
  const { candidates: N, steps } = candidates;
  const chunk = [steps, executed.length / steps];
  const own = chunkOf(candidates, baseline);
  const ordered = new Float32Array(candidates.values.length);
  ordered.set(own);
  let place = 1;
  for (let i = 0; i < N; i++) {
    if (i !== baseline) ordered.set(chunkOf(candidates, i), executed.length * place++);
  }
  const tensors = new Map<string, Tensor>([
    ['hidden', { dtype: hidden.dtype, shape: [row.perVector ? 1 : tokens, stateDim], bytes: hidden.bytes }],
    ['actions', float32Tensor([1, ...chunk], executed)],
    ['policy_actions', float32Tensor([1, ...chunk], own)],
    ['candidates', float32Tensor([1, N, ...chunk], ordered)],
    ['episode_id', float64(row.episode)],
  ]);
  if (!row.perVector) tensors.set('offsets', int64([0, tokens]));
  if (row.step !== undefined) tensors.set('step', float64(row.step));
  if (row.task !== undefined) tensors.set('task_id', float64(row.task));
  return writeSafetensors(tensors);
}

export interface FinishedRow {
  readonly path: string;
  /** From 0 to 1, the best. */
  readonly outcome: number;
  /** What was executed after all, where it is not what was recorded: [H, A]. */
  readonly executed?: Float32Array;
}

/** Puts finished rows, of one key, together as a shard at `path`; on disk when it resolves. */
export async function writeShard(path: string, rows: readonly FinishedRow[]): Promise<void> {
  const files = await Promise.all(rows.map(({ path: file }) => readRow(file)));
  const columns = new Map<string, { dtype: DType; shape: number[]; parts: Uint8Array[] }>();
  for (const [name, { dtype, shape }] of files[0]!) {
    if (name === 'offsets') continue;
    const parts = files.map((tensors, i) => {
      const executed = rows[i]!.executed;
      return name === 'actions' && executed ? bytesOf(executed) : tensors.get(name)!.bytes;
    });
    const first = files.reduce((sum, tensors) => sum + tensors.get(name)!.shape[0]!, 0);
    columns.set(name, { dtype, shape: [first, ...shape.slice(1)], parts });
  }
  const outcomes = Float32Array.from(rows, ({ outcome }) => outcome);
  columns.set('outcome', { dtype: 'float32', shape: [rows.length], parts: [bytesOf(outcomes)] });
  if (files[0]!.has('offsets')) {
    const offsets = [0];
    for (const tensors of files) offsets.push(offsets.at(-1)! + tensors.get('hidden')!.shape[0]!);
    const { dtype, shape, bytes } = int64(offsets);
    columns.set('offsets', { dtype, shape: [...shape], parts: [bytes] });
  }
  const entries = new Map<string, SafetensorsEntry>();
  const parts: Uint8Array[] = [];
  let position = 0;
  // widest elements first, so that each tensor is aligned
  for (const [name, column] of [...columns].sort(
    ([, a], [, b]) => BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype],
  )) {
    const bytes = column.parts.reduce((sum, part) => sum + part.byteLength, 0);
    entries.set(name, { dtype: column.dtype, shape: column.shape, begin: position, end: position + bytes });
    parts.push(...column.parts);
    position += bytes;
  }
  const handle = await open(path, 'w');
  try {
    for (const part of [formatHeader(entries, new Map()), ...parts]) await handle.writeFile(part);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readRow(path: string): Promise<Map<string, Tensor>> {
  return readSafetensors(path, await readFile(path)).tensors;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function float64(value: number): Tensor {
  return { dtype: 'float64', shape: [1], bytes: new Uint8Array(Float64Array.of(value).buffer) };
}

function int64(values: readonly number[]): Tensor {
  const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return { dtype: 'int64', shape: [values.length], bytes };
}
