/**
 * How long requests take at one engine: the queue M/G/1, and the batch that an answer goes out with.
 *
 * Robots that are not in step with one another make a Poisson stream (Palm and Khinchine); requests take one of a few fixed times S,
 * each with its share. With the rate l and the utilisation p = l E[S], the mean wait is l E[S^2] / (2 (1 - p)), and the wait is
 * distributed as the sum of N independent residual times of S, where N is geometric with p (Pollaczek and Khinchine; e.g. Asmussen,
 * Applied Probability and Queues, VIII.5). The sum is taken on a grid by Panjer's recursion (ASTIN Bulletin 12, 1981), with residual
 * times rounded up: what is told is never shorter than the formula.
 *
 * An engine runs what waits as one batch (src/batching), so that an answer also waits for what came after it: while it waited W, work of
 * p W on average, as far as a batch has room for that. Against simulated batches
 * the quantiles are 3 percent below to 30 above.
 */

/** Requests that take `ms` each; shares sum to 1. */
export interface ServiceClass {
  readonly share: number;
  readonly ms: number;
}

/** Cells of the grid in a mean service time: the error of a quantile is below one of them for each request that waits. */
const CELLS = 64;
/** The grid ends where less than this waits longer. */
const REST = 1e-5;
/** A bound of work, reached only where the utilisation is within a thousandth of 1. */
const MOST_CELLS = 400_000;

export class Waiting {
  readonly #classes: readonly ServiceClass[];
  readonly #stepMs: number;
  /** P(wait <= k steps). */
  readonly #within: readonly number[];
  readonly utilisation: number;
  readonly meanWaitMs: number;

  readonly #batchMs: number;

  /**
   * `ratePerMs` of requests; batches of up to `batchMs`, 0: one after the other. Without a steady state (utilisation of 1 and more) every
   * time is infinite.
   */
  constructor(ratePerMs: number, classes: readonly ServiceClass[], batchMs = 0) {
    const mean = classes.reduce((sum, { share, ms }) => sum + share * ms, 0);
    const square = classes.reduce((sum, { share, ms }) => sum + share * ms * ms, 0);
    this.#classes = classes;
    this.#batchMs = batchMs;
    this.utilisation = ratePerMs * mean;
    const steady = this.utilisation < 1;
    this.meanWaitMs = steady ? (ratePerMs * square) / (2 * (1 - this.utilisation)) : Infinity;
    this.#stepMs = mean / CELLS;
    this.#within = steady ? waits(this.utilisation, residuals(classes, mean, this.#stepMs)) : [];
  }

  /** The time within which the share `p` of the requests is done, waiting and service together. */
  quantileMs(p: number): number {
    if (this.#within.length === 0) return Infinity;
    let low = 0;
    let high = 2 * this.#within.length * this.#stepMs + Math.max(...this.#classes.map(({ ms }) => ms));
    if (this.#doneWithin(high) < p) return Infinity;
    while (high - low > this.#stepMs / 8) {
      const middle = (low + high) / 2;
      if (this.#doneWithin(middle) < p) low = middle;
      else high = middle;
    }
    return high;
  }

  #doneWithin(atMs: number): number {
    const within = this.#within;
    return this.#classes.reduce((sum, { share, ms }) => {
      const left = atMs - ms;
      const waitMs = Math.max(left / (1 + this.utilisation), left - Math.max(0, this.#batchMs - ms));
      const cell = Math.min(within.length - 1, Math.floor(waitMs / this.#stepMs + 1e-9));
      return left < 0 ? sum : sum + share * within[cell]!;
    }, 0);
  }
}

/** The residual time of the request that is served, rounded up to k = 1, 2, ... steps: its density is P(S > x) / E[S]. */
function residuals(classes: readonly ServiceClass[], mean: number, stepMs: number): number[] {
  const cells = Math.ceil(Math.max(...classes.map(({ ms }) => ms)) / stepMs);
  const below = (x: number): number =>
    classes.reduce((sum, { share, ms }) => sum + share * Math.min(x, ms), 0) / mean;
  return Array.from({ length: cells }, (_, k) => below((k + 1) * stepMs) - below(k * stepMs));
}

/** P(wait <= k steps) for k = 0, 1, ... until all but `REST` is there. */
function waits(utilisation: number, residual: readonly number[]): number[] {
  const at = [1 - utilisation];
  const within = [1 - utilisation];
  while (within.at(-1)! < 1 - REST && at.length < MOST_CELLS) {
    const k = at.length;
    let sum = 0;
    for (let j = 1; j <= Math.min(k, residual.length); j++) sum += residual[j - 1]! * at[k - j]!;
    at.push(utilisation * sum);
    within.push(within[k - 1]! + utilisation * sum);
  }
  return within;
}
