/** A work on its way through the scheduler: settles once, and lets go of what it holds when it does. */
import type { ContextCache, ContextUse, KeptContext } from './context-cache.js';
import { Fault } from '../errors.js';
import type { QueueItem } from './queue.js';
import type { RejectReason } from './observer.js';
import type { WorkSize } from './size.js';
import { bytesOfWork, sizeOfWork, type Work, type WorkResult } from './work.js';

export class Job implements QueueItem {
  readonly work: Work;
  readonly size: WorkSize;
  readonly bytes: number;
  readonly submittedMs: number;
  /** By context: the use of a kept one. */
  readonly uses: readonly (ContextUse | undefined)[];
  readonly result: Promise<WorkResult>;
  dequeuedMs = 0;
  #resolve!: (result: WorkResult) => void;
  #reject!: (fault: Fault) => void;
  #detach: () => void = () => undefined;
  #settled = false;
  #usesEnded = false;

  /** Takes the kept contexts into use. Errors: `not_found`; nothing is held then. */
  constructor(work: Work, cache: ContextCache, nowMs: number) {
    this.work = work;
    this.size = sizeOfWork(work);
    this.bytes = bytesOfWork(work);
    this.submittedMs = nowMs;
    const uses: (ContextUse | undefined)[] = [];
    try {
      for (const [i, context] of work.contexts.entries()) {
        const field = work.contexts.length === 1 ? 'context_id' : `contexts[${i}].context_id`;
        uses.push(context.kind === 'kept' ? cache.acquire(context.id, work.owner, nowMs, field) : undefined);
      }
    } catch (error) {
      for (const use of uses) use?.end(nowMs);
      throw error;
    }
    this.uses = uses;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get client(): string {
    return this.work.client;
  }

  get deadlineMs(): number {
    return this.work.deadlineMs;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Calls `onAbort` when the work's signal aborts before it has settled. */
  listen(onAbort: () => void): void {
    const { signal } = this.work;
    signal.addEventListener('abort', onAbort);
    this.#detach = () => signal.removeEventListener('abort', onAbort);
  }

  resolve(result: WorkResult): void {
    if (this.#settle()) this.#resolve(result);
  }

  /** False when it had settled before. */
  reject(fault: Fault): boolean {
    if (!this.#settle()) return false;
    this.#reject(fault);
    return true;
  }

  /** Ends the uses of kept contexts: when it left the queue without running, or when its batch came back. */
  endUses(nowMs: number): (KeptContext | undefined)[] {
    if (this.#usesEnded) return [];
    this.#usesEnded = true;
    return this.uses.map((use) => use?.end(nowMs));
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#detach();
    return true;
  }
}

/** What an aborted signal stands for: its reason when that is a fault, else `cancelled`. */
export function abortFault(signal: AbortSignal): Fault {
  const reason: unknown = signal.reason;
  if (reason instanceof Fault) return reason;
  return new Fault('cancelled', 'the caller gave up', { cause: reason });
}

export function abortReason(fault: Fault): RejectReason {
  return fault.kind === 'superseded' ? 'superseded' : 'cancelled';
}
