/**
 * What is handed to the scheduler and what comes back. What can be computed of encoded contexts is a task, one row a kind in
 * the table below: how many chunks meet every context, what a step of them costs, what goes to the engine for a piece, and
 * where its result belongs. The rest of this folder knows no kind but through it.
 */
import type { EncodeItem, EngineBatch, EngineResult, ScoreItem, Slope, Outcome } from '../engine/engine.js';
import type { Fault } from '../errors.js';
import type { KeptContext } from './context-cache.js';
import type { Piece } from './plan.js';
import type { WorkSize } from './size.js';
import type { SlotHold } from './slots.js';

/** An encoded context that a work left behind (`hold`, `pin`); given back with `Scheduler.release`, exactly once. */
export type HeldContext = Pick<SlotHold, 'slot'> & { end(nowMs: number): unknown };

/** A context to encode, one that was kept, or one that is held. */
export type ContextRef =
  | {
      readonly kind: 'inline';
      readonly encode: Omit<EncodeItem, 'slot'>;
      /** Keep it encoded for this long after its last use. */
      readonly keep?: { readonly leaseMs: number };
    }
  | { readonly kind: 'kept'; readonly id: string }
  | { readonly kind: 'held'; readonly held: HeldContext };

export interface Work {
  /** Fairness key: what one client asks for is served between what the others ask for. */
  readonly client: string;
  /** Owner of the contexts that it keeps and names; another owner's ids are not found. */
  readonly owner?: string;
  /** On the scheduler's clock; Infinity when none. */
  readonly deadlineMs: number;
  /**
   * Abort while it waits: it is never computed and ends as `cancelled`, or with the signal's reason when that is
   * a Fault. While it runs: it ends at once, what is left of it is not computed and the result is thrown away, except for
   * a `superseded` fault, which only takes work that was not begun.
   */
  readonly signal: AbortSignal;
  /** `background`: only when nothing else waits, runs or has just ended, in pieces of a budget of its own. */
  readonly priority: 'normal' | 'background';
  /**
   * Leave the contexts encoded for more work of ours (`WorkResult.held`). Nobody else sees it: it counts neither against
   * the cache's bytes nor as a use of a kept context.
   */
  readonly hold?: boolean;
  /**
   * Leave the contexts encoded for more work of ours (`WorkResult.pinned`), in use and within the cache's bytes all the while:
   * any number of works may pin at a time. Without room in the cache none is pinned, and the work goes on.
   */
  readonly pin?: boolean;
  /** One for ranking, B for a matrix. */
  readonly contexts: readonly ContextRef[];
  /** What to compute of them once they are encoded. */
  readonly task: Task;
}

/** The batch that a work was part of; the last one, where a work was cut. */
export interface BatchSummary extends WorkSize {
  /** Works in it. */
  readonly works: number;
}

export interface WorkResult {
  /** Raw per-step values [contexts, N, H] row-major, of a task `score`; of `gradient` [N, H + H*A], see `EngineResult`. */
  readonly raw?: Float32Array;
  /** By context: how it is kept now; undefined when it is not. */
  readonly kept: readonly (KeptContext | undefined)[];
  /** By context, with `hold` only. */
  readonly held?: readonly HeldContext[];
  /** By context, with `pin` only, and only when all of them found room. */
  readonly pinned?: readonly HeldContext[];
  /**
   * Why a context that was to be kept or pinned is not, the first such: scoring goes on without keeping. A work that only encodes
   * fails with this fault instead.
   */
  readonly keepRefused?: Fault;
  /** Waiting time of this work, between its pieces too; engine time of its whole batches. */
  readonly timings: { readonly queueMs: number; readonly encodeMs: number; readonly scoreMs: number };
  readonly batch: BatchSummary;
}

/** Visible tokens of an inline context. */
export function visibleTokens(encode: Pick<EncodeItem, 'visible'>): number {
  let tokens = 0;
  for (const [start, end] of encode.visible) tokens += end - start;
  return tokens;
}

/** Memory that a work holds while it waits. */
export function bytesOfWork({ contexts, task }: Work): number {
  let bytes = task.kind === 'encode' ? 0 : task.actions.values.byteLength;
  for (const context of contexts) {
    if (context.kind === 'inline') bytes += context.encode.bytes.byteLength;
  }
  return bytes;
}

/** Chunks that meet every context of a work. */
export interface Chunks {
  /** [N, H, A] row-major. */
  readonly values: Float32Array;
  readonly candidates: number; // N
  readonly steps: number; // H
}

export type Task =
  /** Encoding alone, which is useful with `keep` and `hold`. */
  | { readonly kind: 'encode' }
  /** Raw per-step values of every context by every chunk. */
  | { readonly kind: 'score'; readonly actions: Chunks }
  /** The same of one context, with dE/dA of each chunk. */
  | { readonly kind: 'gradient'; readonly actions: Chunks; readonly slope: Slope };

/** An engine batch that is being put together. */
export type OpenBatch = { readonly [Part in keyof EngineBatch]: EngineBatch[Part][number][] };

export interface PieceOfWork {
  readonly piece: Piece;
  /** Those of its contexts. */
  readonly slots: readonly number[];
  /** Its work's number, where other contexts meet the same chunks in other pieces. */
  readonly number?: number;
}

interface TaskRow<Kind extends Task['kind']> {
  /** Undefined when a work ends with its contexts encoded. */
  chunks(task: Extract<Task, { kind: Kind }>): Chunks | undefined;
  /** Cost of a step, in steps scored. */
  readonly stepCost: number;
  /** Values that come back of a chunk. */
  width(chunks: Chunks): number;
  /** Adds what the piece asks for. Returns its place, for `collect`. */
  add(batch: OpenBatch, task: Extract<Task, { kind: Kind }>, of: PieceOfWork): number;
  /** What the engine answered, [rows, part, width] of the piece. */
  collect(result: EngineResult, place: number): Outcome<Float32Array> | undefined;
}

const TASKS: { readonly [Kind in Task['kind']]: TaskRow<Kind> } = {
  encode: {
    chunks: () => undefined,
    stepCost: 0,
    width: () => 0,
    add: () => -1,
    collect: () => undefined,
  },
  score: {
    chunks: ({ actions }) => actions,
    stepCost: 1,
    width: ({ steps }) => steps,
    add: ({ score }, { actions }, of) => score.push(scoreItem(actions, of)) - 1,
    collect: ({ scored }, place) => scored[place],
  },
  gradient: {
    chunks: ({ actions }) => actions,
    stepCost: 4,
    width: ({ values, candidates, steps }) => steps + values.length / candidates,
    add: ({ score }, { actions, slope }, of) => score.push({ ...scoreItem(actions, of), slope }) - 1,
    collect: ({ scored }, place) => scored[place],
  },
};

export function taskRow(task: Task): TaskRow<Task['kind']> {
  return TASKS[task.kind] as TaskRow<Task['kind']>;
}

function scoreItem(
  { values, candidates, steps }: Chunks,
  { piece: { first, last }, slots, number }: PieceOfWork,
): ScoreItem {
  const size = values.length / candidates;
  // a part is copied: of a view, the whole memory behind it would travel to the engine, once a piece
  const actions = last - first === candidates ? values : values.slice(first * size, last * size);
  return {
    ...{ slots, actions, candidates: last - first, steps },
    ...(number !== undefined && { part: { work: number, first, candidates } }),
  };
}
