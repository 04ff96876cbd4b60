/**
 * Slots of one engine: the names under which encoded contexts, and what else is kept for a work, stay in its worker. Pure. The
 * scheduler hands `takeReleased()` to the engine with its next batch.
 *
 * - Slots are counted up and never used twice, so a late release cannot hit another context.
 * - Holds: a held slot stays encoded after everybody else has let go of it. A hold is no use of a kept context: its book goes on as
 *   if the hold were not there (leases run, entries are evicted, their bytes are free), so whoever holds bounds how much it holds.
 */

/** A slot that stays encoded until the hold ends; `end` exactly once. */
export interface SlotHold {
  readonly slot: number;
  end(): void;
}

export class Slots {
  /** Held slots: how often, and whether all others have let go of them. */
  readonly #holds = new Map<number, { count: number; released: boolean }>();
  #released: number[] = [];
  #next = 0;

  /** One that nobody has had. */
  next(): number {
    return this.#next++;
  }

  /** Holds a slot that has not been released. */
  hold(slot: number): SlotHold {
    const hold = this.#holds.get(slot) ?? { count: 0, released: false };
    hold.count++;
    this.#holds.set(slot, hold);
    return {
      slot,
      end: () => {
        hold.count--;
        if (hold.count > 0) return;
        this.#holds.delete(slot);
        if (hold.released) this.#released.push(slot);
      },
    };
  }

  /** Nobody needs it any more, or nobody will when its last hold has ended. */
  release(slot: number): void {
    const hold = this.#holds.get(slot);
    if (hold === undefined) this.#released.push(slot);
    else hold.released = true;
  }

  get hasReleased(): boolean {
    return this.#released.length > 0;
  }

  /** Slots that the engine is to forget, each given out once. */
  takeReleased(): number[] {
    const released = this.#released;
    this.#released = [];
    return released;
  }
}
