/**
 * HTTP/2 receive windows: what a connection may send ahead of what is read. With HTTP/2's 64 KiB a client of a 5 MB request
 * stops 75 times to wait for permission to go on; with 16 MiB it never does. But what is sent ahead of a stopped stream lies
 * in memory, so that all windows together stay within a share of the budget: with many connections each gets less.
 */
import type { ServerHttp2Session } from 'node:http2';

/** Of the memory budget's limit, beside what the budget itself gives out. */
const SHARE = 1 / 8;
const LEAST_BYTES = 65_535;

export class ReceiveWindows {
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #windowBytes: number;
  readonly #allBytes: number;
  #given: number;

  /** `windowBytes`: of one connection, where there is room; `memoryBytes`: the whole budget. */
  constructor(windowBytes: number, memoryBytes: number) {
    this.#windowBytes = windowBytes;
    this.#allBytes = memoryBytes * SHARE;
    this.#given = windowBytes;
  }

  /** What each connection may send ahead now. */
  get bytes(): number {
    return this.#given;
  }

  /** Until the session closes. */
  add(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once('close', () => {
      this.#sessions.delete(session);
      this.#share();
    });
    this.#share();
    session.setLocalWindowSize(this.#given);
  }

  /** Halved and doubled, so that not every connection that comes or goes changes all the others. */
  #share(): void {
    const share = this.#allBytes / Math.max(1, this.#sessions.size);
    let given = this.#windowBytes;
    while (given > share && given / 2 >= LEAST_BYTES) given = Math.floor(given / 2);
    if (given === this.#given) return;
    this.#given = given;
    for (const session of this.#sessions) if (!session.destroyed) session.setLocalWindowSize(given);
  }
}
