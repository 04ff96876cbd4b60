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
