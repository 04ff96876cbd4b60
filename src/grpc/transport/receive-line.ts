/**
 * Which uploads are read now, and which wait with their streams stopped (HTTP/2 flow control holds the sender back). Read
 * side by side, all uploads of a burst finish late; in the order of their deadlines, a few at a time, those that can be
 * answered in time are.
 *
 * - At most `most` uploads hold a place; one gives it up when it is whole, and after `placeMs` at the latest, so that
 *   clients on slow links cannot keep the others out.
 * - Nothing begins before the memory for all of it is taken from the budget.
 * - Of those that wait the one with the earliest deadline is next; equal deadlines in order of arrival.
 */
import { IndexedHeap } from '../../batching/heap.js';
import type { Clock } from '../../batching/clock.js';
import type { MemoryBudget } from '../../serving/memory-budget.js';

export interface ReceiveLineOptions {
  readonly budget: MemoryBudget;
  readonly clock: Clock;
  readonly most: number;
  readonly placeMs: number;
  /** An upload without a deadline stands as if it had one this long after its arrival. */
  readonly patienceMs: number;
}

/** A place in the line; `leave` when the upload is whole, or given up. Idempotent; memory stays taken until `giveBack`. */
export interface Place {
  leave(): void;
  giveBack(): void;
}

interface Waiting {
  readonly bytes: number;
  readonly orderMs: number;
  readonly arrival: number;
  readonly begin: (giveBack: () => void) => void;
}

export class ReceiveLine {
  readonly #options: ReceiveLineOptions;
  readonly #waiting = new IndexedHeap<Waiting>(
    (a, b) => a.orderMs < b.orderMs || (a.orderMs === b.orderMs && a.arrival < b.arrival),
  );
  #reading = 0;
  #arrivals = 0;
  #waitingBytes = 0;

  constructor(options: ReceiveLineOptions) {
    this.#options = options;
    options.budget.onFreed(() => this.#advance());
  }

  /** Bytes of uploads that have not begun. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls `begin` now or later, when this upload of `bytes` may be read. `deadlineMs` on the clock; Infinity when none. */
  enter(bytes: number, deadlineMs: number, begin: () => void): Place {
    const { clock, placeMs, patienceMs } = this.#options;
    let giveBack = (): void => undefined;
    let stopTimer = (): void => undefined;
    let state: 'waiting' | 'reading' | 'left' = 'waiting';
    const leave = (): void => {
      const before = state;
      state = 'left';
      stopTimer();
      if (before === 'waiting') {
        this.#waiting.remove(item);
        this.#waitingBytes -= bytes;
      }
      if (before === 'reading') this.#reading--;
      if (before !== 'left') this.#advance();
    };
    const item: Waiting = {
      bytes,
      orderMs: deadlineMs === Infinity ? clock.nowMs() + patienceMs : deadlineMs,
      arrival: this.#arrivals++,
      begin: (taken) => {
        giveBack = taken;
        state = 'reading';
        stopTimer = clock.setTimer(placeMs, leave);
        begin();
      },
    };
    this.#waiting.push(item);
    this.#waitingBytes += bytes;
    this.#advance();
    return {
      leave,
      giveBack: () => {
        leave();
        giveBack();
      },
    };
  }

  #advance(): void {
    const { budget, most } = this.#options;
    while (this.#reading < most) {
      const next = this.#waiting.peek();
      if (next === undefined) return;
      const giveBack = budget.take('messages', next.bytes);
      if (giveBack === undefined) return;
      this.#waiting.remove(next);
      this.#waitingBytes -= next.bytes;
      this.#reading++;
      next.begin(giveBack);
    }
  }
}
