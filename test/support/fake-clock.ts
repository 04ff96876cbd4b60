/** A clock that stands still until a test turns it. */
import type { Clock } from '../../src/batching/clock.js';

interface Timer {
  readonly atMs: number;
  readonly fn: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fn: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** When the next timer fires; Infinity when none is set. */
  get nextMs(): number {
    let next = Infinity;
    for (const { atMs } of this.#timers) next = Math.min(next, atMs);
    return next;
  }

  /** Lets `ms` pass: timers fire in order, and what they set in motion settles before the next one. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settled();
    while (this.nextMs <= untilMs) {
      const atMs = this.nextMs;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      for (const timer of [...this.#timers]) {
        if (timer.atMs > atMs || !this.#timers.delete(timer)) continue;
        timer.fn();
        await settled();
      }
    }
    this.#nowMs = untilMs;
  }
}

/** Resolves when every promise that could settle has. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
