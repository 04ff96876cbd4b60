/**
 * How long a request that comes now will take, told on its headers: what cannot be answered within its deadline is refused
 * then, and its message is never received. Under overload the queue so stays as short as the deadlines are, and what is
 * accepted is answered in time; without this, earliest deadline first would begin everything a moment too late.
 *
 * A request is pledged from its headers until it reaches its queue, where the scheduler's own estimate takes over.
 */
import type { Scheduler } from '../batching/scheduler.js';

/** Weight that the past keeps with each new record: about the last twenty count. */
const KEEP = 0.95;
/** A request that has not arrived after this long is on a slow link: the engine will not wait for it, nor do others. */
const PLEDGE_MS = 250;

/** A decayed mean. */
export class Pace {
  #ms = 0;
  #count = 0;

  record(ms: number, count: number): void {
    this.#ms = this.#ms * KEEP + ms;
    this.#count = this.#count * KEEP + count;
  }

  /** Milliseconds each; 0 before anything was recorded. */
  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#ms / this.#count;
  }
}

export interface Pledge {
  /** It has reached its queue. */
  arrived(nowMs: number): void;
  /** Nothing will come of it. Idempotent, also after `arrived`. */
  end(): void;
}

/** What is known of a model's engine. */
export interface Paced {
  readonly scheduler: Pick<Scheduler, 'drainEstimateMs'>;
  /** Engine time of a request. */
  readonly pace: Pace;
}

export class ExpectedWait {
  /** When each was pledged, oldest first. */
  readonly #pledged = new Map<Pledge, number>();
  /** From headers to queue. */
  readonly #arrival = new Pace();

  pledge(nowMs: number): Pledge {
    const pledge: Pledge = {
      arrived: (arrivedMs) => {
        if (this.#pledged.delete(pledge)) this.#arrival.record(arrivedMs - nowMs, 1);
      },
      end: () => void this.#pledged.delete(pledge),
    };
    this.#pledged.set(pledge, nowMs);
    return pledge;
  }

  /**
   * Until the answer of a request that comes now, milliseconds, on whichever of the models is soonest. 0 where an engine is
   * idle: it takes whatever comes, and so finds out how long that takes.
   */
  answerMs(nowMs: number, models: readonly Paced[]): number {
    for (const [pledge, pledgedMs] of this.#pledged) {
      if (nowMs - pledgedMs <= PLEDGE_MS) break;
      this.#pledged.delete(pledge);
    }
    let soonest = Infinity;
    for (const { scheduler, pace } of models) {
      const before = scheduler.drainEstimateMs + this.#pledged.size * pace.meanMs;
      const own = Math.max(before, this.#arrival.meanMs) + pace.meanMs;
      soonest = Math.min(soonest, before === 0 ? 0 : own);
    }
    return soonest === Infinity ? 0 : soonest;
  }
}
