/**
 * One bound over the memory that clients can cause: calls, messages on their way in (received, inflated, queued), what is sent
 * ahead of those that wait, answers that are not yet taken, kept contexts, and a training session.
 *
 * - Calls, messages and what is sent ahead ask first, and are refused, or not read, when there is no room. After a grant all
 *   together are at most `limit`.
 * - Large messages leave a little for small ones, so that a server full of uploads still answers a health check.
 * - An answer is there already, so it is counted without being asked. Whoever sends answers cuts those off that are not
 *   taken before they are more than `answersLimit`.
 */
import { totalmem } from 'node:os';

export type Account = 'calls' | 'messages' | 'ahead' | 'answers' | 'training';

/** Messages up to this are small. */
export const SMALL_BYTES = 64 * 1024;

/** Of the limit: what large messages leave to everything else. */
const SMALL_SHARE = 1 / 16;
/** Of the limit: what is sent ahead of uploads that wait. */
const AHEAD_SHARE = 1 / 8;
/** Of the limit: answers that are not yet taken. */
const ANSWERS_SHARE = 1 / 4;
/** Of the limit: kept contexts of all models together. */
const KEPT_SHARE = 1 / 2;
/** Of the limit: a training session, its weights and its work on a batch. */
const TRAINING_SHARE = 1 / 2;
/** Of the machine's memory, when nobody says: the rest is the model's, the runtime's, and others'. */
const MACHINE_SHARE = 1 / 2;

/** Half of what this process may use: of the machine, or of the control group that it runs in. */
export function defaultMemoryBytes(): number {
  const constrained = process.constrainedMemory();
  const machine = totalmem();
  return Math.floor((constrained > 0 ? Math.min(constrained, machine) : machine) * MACHINE_SHARE);
}

export class MemoryBudget {
  readonly limit: number;
  #kept: { readonly keptBytes: number } | undefined;
  readonly #taken: Record<Account, number> = {
    calls: 0,
    messages: 0,
    ahead: 0,
    answers: 0,
    training: 0,
  };
  #everTaken = 0;
  readonly #freed = new Set<() => void>();

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Kept contexts count too; somebody else keeps their book. */
  countKept(book: { readonly keptBytes: number }): void {
    this.#kept = book;
  }

  get aheadLimit(): number {
    return this.limit * AHEAD_SHARE;
  }

  get answersLimit(): number {
    return this.limit * ANSWERS_SHARE;
  }

  get trainingLimit(): number {
    return this.limit * TRAINING_SHARE;
  }

  get keptLimit(): number {
    return this.limit * KEPT_SHARE;
  }

  /** All that was ever taken, given back or not. */
  get everTaken(): number {
    return this.#everTaken;
  }

  taken(account: Account): number {
    return this.#taken[account];
  }

  /** Bytes that are taken, kept contexts included. */
  get accounts(): Readonly<Record<Account | 'kept', number>> {
    return { ...this.#taken, kept: this.#kept?.keptBytes ?? 0 };
  }

  /** Bytes that are not taken; never below 0. */
  get free(): number {
    const { calls, messages, ahead, answers, training } = this.#taken;
    const kept = this.#kept?.keptBytes ?? 0;
    return Math.max(0, this.limit - kept - calls - messages - ahead - answers - training);
  }

  /** Memory that one asks for, or undefined when there is too little. What it returns gives it back, once. */
  take(account: Exclude<Account, 'answers'>, bytes: number): (() => void) | undefined {
    return bytes > this.#room(account, bytes) ? undefined : this.#add(account, bytes);
  }

  /** Counts an answer until what it returns is called, once. */
  count(bytes: number): () => void {
    return this.#add('answers', bytes);
  }

  /** Calls `listener` whenever memory is given back; returns its cleanup. */
  onFreed(listener: () => void): () => void {
    this.#freed.add(listener);
    return () => this.#freed.delete(listener);
  }

  #room(account: Account, bytes: number): number {
    if (account === 'training') return Math.min(this.free, this.trainingLimit - this.#taken.training);
    if (account === 'ahead') return Math.min(this.free, this.aheadLimit - this.#taken.ahead);
    return account === 'messages' && bytes > SMALL_BYTES ? this.free - this.limit * SMALL_SHARE : this.free;
  }

  #add(account: Account, bytes: number): () => void {
    this.#taken[account] += bytes;
    this.#everTaken += bytes;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#taken[account] -= bytes;
      for (const listener of this.#freed) listener();
    };
  }
}
