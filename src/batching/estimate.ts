/**
 * Moving estimate of how long a batch takes: `tokens * msPerToken + steps * msPerStep`, each rate a ratio of
 * exponentially decayed sums over finished batches, so that large batches weigh more than small ones.
 */
import type { WorkSize } from './size.js';

/** Weight that the past keeps at each new batch: about the last ten count. */
const KEEP = 0.9;
/** Share of the estimate that is left after it kept the engine idle. */
const RELAX = 0.7;

class DecayedRate {
  #ms = 0;
  #units = 0;

  record(ms: number, units: number): void {
    if (units === 0) return;
    this.#ms = this.#ms * KEEP + ms;
    this.#units = this.#units * KEEP + units;
  }

  relax(): void {
    this.#ms *= RELAX;
  }

  get msPerUnit(): number {
    return this.#units === 0 ? 0 : this.#ms / this.#units;
  }
}

export class ServiceEstimate {
  readonly #encode = new DecayedRate();
  readonly #score = new DecayedRate();

  /** Whether it knows of both what a token and what a step takes. */
  get measured(): boolean {
    return this.#encode.msPerUnit > 0 && this.#score.msPerUnit > 0;
  }

  /** Estimated engine time; 0 before anything was measured. */
  ms(size: WorkSize): number {
    return size.tokens * this.#encode.msPerUnit + size.steps * this.#score.msPerUnit;
  }

  record(size: WorkSize, encodeMs: number, scoreMs: number): void {
    this.#encode.record(encodeMs, size.tokens);
    this.#score.record(scoreMs, size.steps);
  }

  /**
   * To be told when everything that waited was refused as hopeless: only finished batches correct the estimate, so one
   * that a stall has inflated could otherwise refuse everything for ever.
   */
  relax(): void {
    this.#encode.relax();
    this.#score.relax();
  }
}
