/** How much work something is, in the units that budgets and estimate count, and how long the engine takes for it. */
export interface WorkSize {
  /** Visible context tokens to encode. */
  readonly tokens: number;
  /** Action steps to score: contexts * N * H. */
  readonly steps: number;
  /** Contexts to encode. */
  readonly contexts: number;
}

export const NO_WORK: WorkSize = { tokens: 0, steps: 0, contexts: 0 };

export function addSize(a: WorkSize, b: WorkSize): WorkSize {
  return { tokens: a.tokens + b.tokens, steps: a.steps + b.steps, contexts: a.contexts + b.contexts };
}

export function subtractSize(a: WorkSize, b: WorkSize): WorkSize {
  return { tokens: a.tokens - b.tokens, steps: a.steps - b.steps, contexts: a.contexts - b.contexts };
}

export function fits(size: WorkSize, budget: WorkSize): boolean {
  return size.tokens <= budget.tokens && size.steps <= budget.steps && size.contexts <= budget.contexts;
}

/**
 * What a client is charged for it. A token and a step count alike: on the CPU, 4096 wide, encoding a token takes
 * 0.05 ms and scoring a step 0.04 ms. Never zero, so that every admission moves its client back.
 */
export function costOf(size: WorkSize): number {
  return Math.max(1, size.tokens + size.steps);
}

/** Weight that the past keeps at each new batch: about the last ten count. */
const KEEP = 0.9;
/** Share of the estimate that is left after it kept the engine idle. */
const RELAX = 0.7;

/** Milliseconds a unit, a ratio of exponentially decayed sums: large records weigh more than small ones. */
export class Pace {
  readonly #keep: number;
  #ms = 0;
  #units = 0;

  /** `keep`: weight that the past keeps at each new record; of 1 / (1 - keep) records, about. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  record(ms: number, units: number): void {
    if (units === 0) return;
    this.#ms = this.#ms * this.#keep + ms;
    this.#units = this.#units * this.#keep + units;
  }

  /** Takes it to be `share` of what it was. */
  relax(share: number): void {
    this.#ms *= share;
  }

  /** 0 before anything was recorded. */
  get msPerUnit(): number {
    return this.#units === 0 ? 0 : this.#ms / this.#units;
  }
}

/** Moving estimate of how long a batch takes: `tokens * msPerToken + steps * msPerStep`. */
export class ServiceEstimate {
  readonly #encode = new Pace(KEEP);
  readonly #score = new Pace(KEEP);

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
    this.#encode.relax(RELAX);
    this.#score.relax(RELAX);
  }
}
