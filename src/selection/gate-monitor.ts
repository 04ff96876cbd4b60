/**
 * Is the gate's bound on harm still true? A test that may be looked at after every outcome. Each outcome becomes a value y
 * whose expectation, given everything before, is at most `bound` as long as the bound holds. A gambler who stakes a share f of
 * a capital of 1 on "more" then has
 *   K_t = prod (1 + f (y_i - bound) / (bound - least_i)),   y_i >= least_i,
 * whose expectation stays at most 1, so it ever reaches 1 / delta with a chance of at most delta (Ville 1939). K is the mean
 * over several shares, since nobody knows how large a harm is. I. Waudby-Smith and A. Ramdas, Estimating means of bounded
 * random variables by betting, JRSS B 86 (2024).
 *
 * Valid while what is reported does not depend on how it went: all outcomes, or a random part of them.
 */
import { invalid } from '../errors.js';

/** Chance of closing a gate whose bound holds, ever. */
const DELTA = 0.05;
/** From a harm just above the bound, which takes thousands of outcomes, to one that shows in five. */
const SHARES = [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64];

export interface Outcome {
  readonly value: number;
  /** No value of its kind is smaller. */
  readonly least: number;
}

/** Costs of the choice and of the baseline from the same state, both known. Its expectation is the share of harm. */
export function pairedOutcome(cost: number, baselineCost: number): Outcome {
  return { value: cost > baselineCost ? 1 : 0, least: 0 };
}

/**
 * The cost of one of the two, drawn by lot: the baseline with probability `share`, else the choice. Weighted by one over that
 * probability, its expectation is the mean cost of choices less that of baselines (I. Waudby-Smith et al., Anytime-valid
 * off-policy inference for contextual bandits, 2024), and a bound on harm bounds that too, since a choice costs more
 * only where it is worse and by 1 at most. Costs count from 1/2, which cancels and halves the spread.
 *
 * @param cost from 0 to 1
 */
export function drawnOutcome(cost: number, isBaseline: boolean, share: number): Outcome {
  const weight = isBaseline ? -1 / share : 1 / (1 - share);
  return { value: weight * (cost - 0.5), least: -0.5 / Math.min(share, 1 - share) };
}

export class GateMonitor {
  readonly bound: number;
  readonly closesAt = 1 / DELTA;
  /** log K by share. */
  readonly #logs = new Float64Array(SHARES.length);
  #outcomes = 0;
  #open = true;

  /** @param bound alpha of the gate, from 0 (excluded) to 1 */
  constructor(bound: number) {
    if (!(bound > 0 && bound < 1)) {
      throw invalid('bound', 'not a bound on harm', { found: String(bound), wanted: 'between 0 and 1' });
    }
    this.bound = bound;
  }

  /** False for good once the evidence has reached `closesAt`. */
  get open(): boolean {
    return this.#open;
  }

  get outcomes(): number {
    return this.#outcomes;
  }

  /** K; 1 is no evidence against the bound, 0 much for it. */
  get evidence(): number {
    const most = this.#logs.reduce((a, b) => Math.max(a, b));
    const sum = this.#logs.reduce((total, log) => total + Math.exp(log - most), 0);
    return Math.exp(Math.min(most + Math.log(sum / SHARES.length), Math.log(Number.MAX_VALUE)));
  }

  observe({ value, least }: Outcome): void {
    const stake = (value - this.bound) / (this.bound - least);
    for (const [i, share] of SHARES.entries()) this.#logs[i]! += Math.log1p(share * stake);
    this.#outcomes++;
    if (this.evidence >= this.closesAt) this.#open = false;
  }
}
