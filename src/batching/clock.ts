/** Time as the scheduler sees it; tests turn their own (`test/support/fake-clock.ts`). */
export interface Clock {
  /** Milliseconds on a monotonic scale; the origin means nothing. */
  nowMs(): number;
  /** Calls `fn` once after at least about `delayMs` (it may come early; look at the clock). Returns its cleanup. */
  setTimer(delayMs: number, fn: () => void): () => void;
}

/** Node runs a timer with a longer delay at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer(delayMs, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(0, Math.ceil(delayMs)), MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** One timer that is set anew whenever the time for which it is set changes. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #set: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings once, at about `atMs` on the clock or before; Infinity: not at all. What it was set for before does not ring any more. */
  set(atMs: number): void {
    if (this.#set?.atMs === atMs) return;
    this.#set?.cancel();
    this.#set = undefined;
    if (atMs === Infinity) return;
    const cancel = this.#clock.setTimer(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#set = undefined;
      this.#ring();
    });
    this.#set = { atMs, cancel };
  }
}
