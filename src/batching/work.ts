/** What is handed to the scheduler and what comes back. */
import type { KeptContext, SlotHold } from './context-cache.js';
import type { EncodeItem } from '../engine/engine.js';
import type { Fault } from '../errors.js';
import type { WorkSize } from './size.js';

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
   * a Fault. While it runs: it ends at once and the result is thrown away, except for a `superseded` fault, which only
   * takes work that still waits.
   */
  readonly signal: AbortSignal;
  /** `background`: only when nothing else waits, runs or has just ended, in small batches of its own budget. */
  readonly priority: 'normal' | 'background';
  /**
   * Leave the contexts encoded for more work of ours (`WorkResult.held`). Nobody else sees it: it counts neither against
   * the cache's bytes nor as a use of a kept context.
   */
  readonly hold?: boolean;
  /** One for ranking, B for a matrix. */
  readonly contexts: readonly ContextRef[];
  /** Candidates for every context; absent: encode only, which is useful with `keep`. */
  readonly actions?: {
    /** [N, H, A] row-major. */
    readonly values: Float32Array;
    readonly candidates: number; // N
    readonly steps: number; // H
  };
}

/** The batch that a work was part of. */
export interface BatchSummary extends WorkSize {
  /** Works in it. */
  readonly works: number;
}

export interface WorkResult {
  /** Raw per-step values [contexts, N, H] row-major; absent when there were no actions. */
  readonly raw?: Float32Array;
  /** By context: how it is kept now; undefined when it is not. */
  readonly kept: readonly (KeptContext | undefined)[];
  /** By context, with `hold` only. */
  readonly held?: readonly HeldContext[];
  /**
   * Why a context that was to be kept is not, the first such: scoring goes on without keeping. An encode-only work
   * fails with this fault instead.
   */
  readonly keepRefused?: Fault;
  /** Waiting time of this work; engine time of its whole batch. */
  readonly timings: { readonly queueMs: number; readonly encodeMs: number; readonly scoreMs: number };
  readonly batch: BatchSummary;
}

/** Visible tokens of an inline context. */
export function visibleTokens(encode: Pick<EncodeItem, 'visible'>): number {
  let tokens = 0;
  for (const [start, end] of encode.visible) tokens += end - start;
  return tokens;
}

export function sizeOfWork(work: Work): WorkSize {
  let tokens = 0;
  let contexts = 0;
  for (const context of work.contexts) {
    if (context.kind !== 'inline') continue;
    tokens += visibleTokens(context.encode);
    contexts++;
  }
  const { actions } = work;
  const steps = actions === undefined ? 0 : work.contexts.length * actions.candidates * actions.steps;
  return { tokens, steps, contexts };
}

/** Whether nothing smaller could have been asked for: one context to encode, or one chunk against an encoded one. */
export function isIndivisible({ contexts, actions }: Work): boolean {
  if (contexts.length !== 1) return false;
  return actions === undefined || (contexts[0]!.kind !== 'inline' && actions.candidates === 1);
}

/** Memory that a work holds while it waits. */
export function bytesOfWork(work: Work): number {
  let bytes = work.actions?.values.byteLength ?? 0;
  for (const context of work.contexts) {
    if (context.kind === 'inline') bytes += context.encode.bytes.byteLength;
  }
  return bytes;
}
