/**
 * Which requests are looked at: a share of them, drawn at random, within a budget of chunks a second (a token bucket that
 * holds one second, or one sample where that is more). Pure: time comes in as an argument, chance through `random`.
 */
import type { Random } from '../random.js';

export interface SamplerOptions {
  /** 0 to 1. */
  readonly share: number;
  readonly chunksPerSecond: number;
  readonly random: Pick<Random, 'uniform'>;
}

export class Sampler {
  readonly #options: SamplerOptions;
  #chunks = 0;
  #filledMs = -Infinity;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** Whether one request is among the share. */
  draws(): boolean {
    return this.#options.random.uniform() < this.#options.share;
  }

  /** Whether a sample of `chunks` lies within the budget. Until `spend` it costs nothing. */
  affords(nowMs: number, chunks: number): boolean {
    const { chunksPerSecond } = this.#options;
    const most = Math.max(chunksPerSecond, chunks);
    const earned = ((nowMs - this.#filledMs) / 1000) * chunksPerSecond;
    this.#chunks = Math.min(most, this.#chunks + earned);
    this.#filledMs = nowMs;
    return this.#chunks >= chunks;
  }

  spend(chunks: number): void {
    this.#chunks -= chunks;
  }
}
