/**
 * From admitted jobs to the engine's batch and back. Slots are given out here: a transient context is encoded, scored
 * and released in one batch; one to be kept gets room in the cache first and stays only if its work succeeds, because
 * otherwise nobody learns its id.
 */
import type { ContextCache, ContextReservation, KeptContext, SlotHold } from './context-cache.js';
import type { EncodeItem, Engine, EngineBatch, EngineResult, ScoreItem } from '../engine/engine.js';
import { Fault, toFault } from '../errors.js';
import type { Job } from './job.js';
import { NO_WORK, addSize } from './size.js';
import { visibleTokens, type BatchSummary, type Work } from './work.js';

/** A job's place in the engine's batch. */
interface Part {
  readonly job: Job;
  /** Indices into `encode`. */
  readonly encodes: readonly number[];
  /** Index into `score`; undefined for encode-only work. */
  readonly score: number | undefined;
  /** By context. */
  readonly reservations: readonly (ContextReservation | undefined)[];
  /** By context, for work that holds. */
  readonly holds: readonly SlotHold[];
  readonly keepRefused: Fault | undefined;
}

export interface AssembledBatch {
  readonly batch: EngineBatch;
  readonly parts: readonly Part[];
  readonly summary: BatchSummary;
  /** Encode-only jobs whose context found no room; not in the batch. */
  readonly refused: readonly { readonly job: Job; readonly fault: Fault }[];
}

/** Throws `exhausted` when the work only wants contexts kept and one of them is larger than the whole cache. */
export function checkKeepable(work: Work, cache: ContextCache, engine: Pick<Engine, 'info'>): void {
  if (work.actions !== undefined) return;
  for (const context of work.contexts) {
    if (context.kind !== 'inline' || context.keep === undefined) continue;
    cache.checkSize(visibleTokens(context.encode) * engine.info.bytesPerToken);
  }
}

/** Takes the cache's released slots along. */
export function assemble(
  jobs: readonly Job[],
  cache: ContextCache,
  engine: Pick<Engine, 'info'>,
): AssembledBatch {
  const encode: EncodeItem[] = [];
  const score: ScoreItem[] = [];
  const release: number[] = [];
  const parts: Part[] = [];
  const refused: { job: Job; fault: Fault }[] = [];
  let size = NO_WORK;
  for (const job of jobs) {
    const { reservations, keepRefused } = reserve(job, cache, engine.info.bytesPerToken);
    const { contexts, actions } = job.work;
    if (keepRefused !== undefined && actions === undefined) {
      for (const reservation of reservations) reservation?.withdraw();
      refused.push({ job, fault: keepRefused });
      continue;
    }
    const encodes: number[] = [];
    const slots: number[] = [];
    for (const [i, context] of contexts.entries()) {
      if (context.kind === 'kept') {
        slots.push(job.uses[i]!.slot);
        continue;
      }
      if (context.kind === 'held') {
        slots.push(context.held.slot);
        continue;
      }
      const reservation = reservations[i];
      const slot = reservation?.slot ?? cache.newSlot();
      if (reservation === undefined && job.work.hold !== true) release.push(slot);
      slots.push(slot);
      encodes.push(encode.push({ ...context.encode, slot }) - 1);
    }
    const holds = job.work.hold === true ? slots.map((slot) => cache.hold(slot)) : [];
    for (const [i, { slot }] of holds.entries()) {
      if (contexts[i]!.kind === 'inline' && reservations[i] === undefined) cache.releaseSlot(slot);
    }
    let scoreIndex: number | undefined;
    if (actions !== undefined) {
      const { values, candidates, steps } = actions;
      scoreIndex = score.push({ slots, actions: values, candidates, steps }) - 1;
    }
    parts.push({ job, encodes, score: scoreIndex, reservations, holds, keepRefused });
    size = addSize(size, job.size);
  }
  release.push(...cache.takeReleased());
  return { batch: { encode, score, release }, parts, summary: { ...size, works: parts.length }, refused };
}

function reserve(
  job: Job,
  cache: ContextCache,
  bytesPerToken: number,
): { reservations: (ContextReservation | undefined)[]; keepRefused: Fault | undefined } {
  let keepRefused: Fault | undefined;
  const reservations = job.work.contexts.map((context) => {
    if (context.kind !== 'inline' || context.keep === undefined) return undefined;
    try {
      const bytes = visibleTokens(context.encode) * bytesPerToken;
      return cache.reserve(bytes, context.keep.leaseMs, job.work.owner);
    } catch (error) {
      keepRefused ??= toFault(error);
      return undefined;
    }
  });
  return { reservations, keepRefused };
}

/**
 * Settles every job of a batch that came back and ends its uses of contexts. Calls `onItemFault` for each job that
 * the engine refused by itself.
 */
export function settle(
  { batch, parts, summary }: AssembledBatch,
  result: EngineResult,
  nowMs: number,
  onItemFault: (job: Job) => void,
): void {
  const { encodeMs, scoreMs } = result;
  if (result.encoded.length !== batch.encode.length || result.scored.length !== batch.score.length) {
    throw new Fault('internal', 'the engine answered another number of items than it was given');
  }
  for (const { job, encodes, score, reservations, holds, keepRefused } of parts) {
    const used = job.endUses(nowMs);
    const outcome = score === undefined ? undefined : result.scored[score]!;
    const failed = [
      ...encodes.map((i) => result.encoded[i]!),
      ...(outcome === undefined ? [] : [outcome]),
    ].find(({ ok }) => !ok);
    if (job.settled || failed?.ok === false) {
      for (const reservation of reservations) reservation?.abandon();
      for (const hold of holds) hold.end();
      if (failed?.ok === false && job.reject(failed.fault)) onItemFault(job);
      continue;
    }
    const kept: (KeptContext | undefined)[] = reservations.map(
      (reservation, i) => reservation?.commit(nowMs) ?? used[i],
    );
    job.resolve({
      ...(outcome?.ok === true && { raw: outcome.value }),
      kept,
      ...(job.work.hold === true && { held: holds }),
      ...(keepRefused !== undefined && { keepRefused }),
      timings: { queueMs: job.dequeuedMs - job.submittedMs, encodeMs, scoreMs },
      batch: summary,
    });
  }
}

/** Gives back what the jobs of a batch hold that will never come back. */
export function abandon({ parts }: AssembledBatch, nowMs: number): void {
  for (const { job, reservations, holds } of parts) {
    job.endUses(nowMs);
    for (const reservation of reservations) reservation?.abandon();
    for (const hold of holds) hold.end();
  }
}
