/**
 * How many of its calls the clients of one connection may cancel. HTTP/2 cancels by a reset, and nghttp2 ends a connection whose
 * resets are too many, with an error and with every other call on it: its defence against CVE-2023-44487. But many callers may share
 * one, behind a proxy or in one process. So a connection that has used up half of that is closed before, as gRPC means it: a GOAWAY
 * without an error, after which its calls run to their end and each client makes its next one on a new connection. nghttp2 counts
 * no further then.
 */
import type { Clock } from '../../batching/clock.js';

/** What nghttp2 forgives by itself: so many at once, and so many more with each second. */
const FORGIVEN = { burst: 1_000, perSecond: 33 };
/** The other half is for resets that come when a call is over, which nghttp2 counts and we do not hear of. */
const MOST = FORGIVEN.burst / 2;

/**
 * Beyond that half nghttp2 has to be patient all the same, in the moment until the GOAWAY is written. Node 20 does not know these
 * settings.
 */
export const RESET_OPTIONS = { streamResetBurst: 10_000, streamResetRate: 1_000 };

/** The resets of one connection, less those that time has forgiven. */
export class Resets {
  readonly #clock: Clock;
  #count = 0;
  #countedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#countedMs = clock.nowMs();
  }

  /** One more; true when the connection has to go. */
  add(): boolean {
    const nowMs = this.#clock.nowMs();
    const forgiven = (FORGIVEN.perSecond * (nowMs - this.#countedMs)) / 1000;
    this.#count = Math.max(0, this.#count - forgiven) + 1;
    this.#countedMs = nowMs;
    return this.#count >= MOST;
  }
}
