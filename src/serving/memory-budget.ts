/**
 * One bound over the memory that clients can cause: messages on their way in (received, inflated, queued), answers that are
 * not yet taken, and kept contexts.
 *
 * - A message asks first, and is not received when there is no room. After a grant all together are at most `limit`.
 * - An answer is there already, so it is counted without being asked. Whoever sends answers cuts those off that are not
 *   taken before they are more than `answersLimit`.
 */
import { totalmem } from 'node:os';

export type Account = 'messages' | 'answers';

/** Of the limit: answers that are not yet taken. */
const ANSWERS_SHARE = 1 / 4;
/** Of the limit: kept contexts of all models together. */
const KEPT_SHARE = 1 / 2;
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
  readonly #elsewhere: () => number;
  readonly #taken: Record<Account, number> = { messages: 0, answers: 0 };
  readonly #freed = new Set<() => void>();

  /** `limit` in bytes; `elsewhere`: bytes that others keep the book of (kept contexts). */
  constructor(limit: number, elsewhere: () => number = () => 0) {
    this.limit = limit;
    this.#elsewhere = elsewhere;
  }

  get answersLimit(): number {
    return this.limit * ANSWERS_SHARE;
  }

  get keptLimit(): number {
    return this.limit * KEPT_SHARE;
  }

  taken(account: Account): number {
    return this.#taken[account];
  }

  /** Bytes that a message could take now; never below 0. */
  get free(): number {
    return Math.max(0, this.limit - this.#elsewhere() - this.#taken.messages - this.#taken.answers);
  }

  /** Memory for a message, or undefined when there is too little. What it returns gives it back, once. */
  take(bytes: number): (() => void) | undefined {
    return bytes > this.free ? undefined : this.#add('messages', bytes);
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

  #add(account: Account, bytes: number): () => void {
    this.#taken[account] += bytes;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#taken[account] -= bytes;
      for (const listener of this.#freed) listener();
    };
  }
}
