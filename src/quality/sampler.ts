/**
 * Which requests are looked at: a share of them, drawn at random, within a budget of chunks a second (a token bucket that
 * holds one second). Pure: time comes in as an argument, chance through `random`.
 */
import type { Random } from '../random.js';

export interface SamplerOptions {
  /** 0 to 1. */
  readonly share: number;
  readonly chunksPerSecond: number;
  readonly random: Pick<Random, 'uniform'>;
}

/** `passed`: not drawn. `budget`: drawn, and the budget is spent. */
export type Draw = 'taken' | 'passed' | 'budget';

export class Sampler {
  readonly #options: SamplerOptions;
  #chunks: number;
  #filledMs = -Infinity;

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#chunks = options.chunksPerSecond;
  }

  /** One request that would cost `chunks`. */
  draw(nowMs: number, chunks: number): Draw {
    const { share, chunksPerSecond, random } = this.#options;
    if (random.uniform() >= share) return 'passed';
    const earned = ((nowMs - this.#filledMs) / 1000) * chunksPerSecond;
    this.#chunks = Math.min(chunksPerSecond, this.#chunks + earned);
    this.#filledMs = nowMs;
    if (this.#chunks < chunks) return 'budget';
    this.#chunks -= chunks;
    return 'taken';
  }
}
