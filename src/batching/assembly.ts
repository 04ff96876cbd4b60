/**
 * From pieces of jobs to the engine's batch and back. A context gets its slot with the piece that encodes it, and its slot
 * is released with the piece that needs it last; one to be kept gets room in the cache first and stays only if its work
 * succeeds, because otherwise nobody learns its id.
 */
import type { Engine, EngineBatch, EngineResult } from '../engine/engine.js';
import { Fault, revivedFault } from '../errors.js';
import type { ContextCache } from './context-cache.js';
import type { Job } from './job.js';
import type { Piece } from './plan.js';
import { NO_WORK, addSize } from './size.js';
import { taskRow, visibleTokens, type OpenBatch, type BatchSummary, type Work } from './work.js';

/** A job with the piece of it that is next. */
export interface Turn {
  readonly job: Job;
  readonly piece: Piece;
}

/** A piece's place in the engine's batch. */
interface Part extends Turn {
  /** Indices into `encode`. */
  readonly encodes: readonly number[];
  /** Where its task finds what the engine answered. */
  readonly place: number;
}

export interface AssembledBatch {
  readonly batch: EngineBatch;
  readonly parts: readonly Part[];
  readonly summary: BatchSummary;
  /** Jobs that only encode and whose context found no room; not in the batch. */
  readonly refused: readonly { readonly job: Job; readonly fault: Fault }[];
}

/** Throws `exhausted` when the work only wants contexts kept and one of them is larger than the whole cache. */
export function checkKeepable(work: Work, cache: ContextCache, engine: Pick<Engine, 'info'>): void {
  if (work.task.kind !== 'encode') return;
  for (const context of work.contexts) {
    if (context.kind !== 'inline' || context.keep === undefined) continue;
    cache.checkSize(visibleTokens(context.encode) * engine.info.bytesPerToken);
  }
}

/** Moves each job on by its piece. Takes the cache's released slots along. */
export function assemble(
  turns: readonly Turn[],
  cache: ContextCache,
  engine: Pick<Engine, 'info'>,
): AssembledBatch {
  const batch: OpenBatch = { encode: [], score: [], release: [] };
  const parts: Part[] = [];
  const refused: { job: Job; fault: Fault }[] = [];
  let size = NO_WORK;
  for (const { job, piece } of turns) {
    const { contexts, cells, chunks } = job;
    const encodes: number[] = [];
    let refusal: Fault | undefined;
    for (let i = piece.from; i < piece.to && refusal === undefined; i++) {
      if (!cells.encodes(i)) continue;
      const item = contexts.encode(i, engine.info.bytesPerToken);
      if (item === undefined) refusal = contexts.keepRefused;
      else encodes.push(batch.encode.push(item) - 1);
    }
    if (refusal !== undefined) {
      refused.push({ job, fault: refusal });
      continue;
    }
    const slots: number[] = [];
    for (let i = piece.from; i < piece.to; i++) {
      slots.push(contexts.slot(i));
      if (chunks === undefined || piece.last === chunks.candidates) contexts.finish(i);
    }
    const scores = chunks !== undefined && piece.last > piece.first;
    const number = scores ? job.numberOf(piece) : undefined;
    const of = { piece, slots, ...(number !== undefined && { number }) };
    const place = scores ? taskRow(job.work.task).add(batch, job.work.task, of) : -1;
    cells.advance(piece);
    parts.push({ job, piece, encodes, place });
    size = addSize(size, piece.size);
  }
  batch.release.push(...cache.slots.takeReleased());
  return { batch, parts, summary: { ...size, works: parts.length }, refused };
}

/**
 * Brings the pieces of a batch back to their jobs; those that were the last resolve. Calls `onItemFault` for each job that
 * the engine refuses by itself.
 */
export function settle(
  { batch, parts, summary }: AssembledBatch,
  result: EngineResult,
  nowMs: number,
  onItemFault: (job: Job, fault: Fault) => void,
): void {
  const { encodeMs, scoreMs } = result;
  if (result.encoded.length !== batch.encode.length || result.scored.length !== batch.score.length) {
    throw new Fault('internal', 'the engine answered another number of items than it was given');
  }
  for (const { job, piece, encodes, place } of parts) {
    if (job.settled) continue;
    const outcome = place < 0 ? undefined : taskRow(job.work.task).collect(result, place);
    const outcomes = [...encodes.map((i) => result.encoded[i]!), ...(outcome === undefined ? [] : [outcome])];
    const failed = outcomes.find(({ ok }) => !ok);
    if (failed?.ok === false) {
      onItemFault(job, revivedFault(failed.fault));
      continue;
    }
    job.add(piece, outcome, encodeMs, scoreMs);
    if (piece.final) job.resolve(summary, nowMs);
    else job.wait(nowMs);
  }
}
