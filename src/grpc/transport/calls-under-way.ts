/** The calls under way: counted, so that a stopping server can refuse new ones and wait for the rest. */
import { Fault } from '../../errors.js';

export class CallsUnderWay {
  readonly #stopping = new AbortController();
  #count = 0;
  #idle: (() => void)[] = [];

  /** Aborted when the server begins to stop. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Counts a call in; returns what counts it out, once. Errors: `unavailable` when stopping. */
  begin(): () => void {
    this.refuseWhenStopping();
    this.#count++;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#count--;
      if (this.#count === 0) for (const resolve of this.#idle.splice(0)) resolve();
    };
  }

  /** Throws `unavailable` when stopping. */
  refuseWhenStopping(): void {
    if (this.#stopping.signal.aborted) {
      throw new Fault('unavailable', 'the server is stopping', { mend: 'Try another replica' });
    }
  }

  /** From here on `begin` refuses; resolves when no call is under way. */
  stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }
}
