/**
 * Calls that last: streams, whose callers were let in on their headers, long ago. When the tokens change each is asked again,
 * and one whose token is gone, or may no longer do this, ends.
 */
import { toFault, type Fault } from '../../errors.js';

interface StandingCall {
  /** Throws what would be answered to the same headers now. */
  readonly admit: () => void;
  readonly end: (fault: Fault) => void;
}

export class StandingCalls {
  readonly #calls = new Set<StandingCall>();

  /** Returns what takes the call out when it ends. */
  add(call: StandingCall): () => void {
    this.#calls.add(call);
    return () => void this.#calls.delete(call);
  }

  /** Ends the calls that would not be let in now. */
  admitAgain(): void {
    for (const { admit, end } of [...this.#calls]) {
      try {
        admit();
      } catch (error) {
        end(toFault(error));
      }
    }
  }
}
