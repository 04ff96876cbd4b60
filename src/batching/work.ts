/** What is handed to the scheduler and what comes back. */
import type { EncodeItem } from '../engine/engine.js';
import type { Fault } from '../errors.js';
import type { KeptContext, SlotHold } from './context-cache.js';
import type { WorkSize } from './size.js';
import type { Task } from './tasks.js';

/** An encoded context that a work left behind (`Work.hold`); given back with `Scheduler.release`, exactly once. */
export type HeldContext = SlotHold;

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
  /** Raw per-step values [contexts, N, H] row-major, of a task `score`. */
  readonly raw?: Float32Array;
  /** By context: how it is kept now; undefined when it is not. */
  readonly kept: readonly (KeptContext | undefined)[];
  /** By context, with `hold` only. */
  readonly held?: readonly HeldContext[];
  /**
   * Why a context that was to be kept is not, the first such: scoring goes on without keeping. A work that only encodes
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
