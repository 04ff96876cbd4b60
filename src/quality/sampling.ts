/** Which requests live quality looks at, and which chunks of other moments it compares them with. */
import type { Random } from '../random.js';

export interface SamplerOptions {
  /** 0 to 1. */
  readonly share: number;
  readonly chunksPerSecond: number;
  readonly random: Pick<Random, 'uniform'>;
}

/**
 * Which requests are looked at: a share of them, drawn at random, within a budget of chunks a second (a token bucket that
 * holds one second, or one sample where that is more). Pure: time comes in as an argument, chance through `random`.
 */
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

export interface ReservoirOptions {
  /** Items of one window that are kept. */
  readonly capacity: number;
  readonly windowMs: number;
  readonly random: Pick<Random, 'below'>;
}

/**
 * A bounded uniform sample of what passed recently: Vitter's algorithm R over tumbling windows.
 *
 * Within a window every item has the same chance to be in the sample, however many pass (J. S. Vitter, Random Sampling with
 * a Reservoir, 1985). At the end of a window its sample is put aside and the next begins; the one put aside serves until
 * the one after it ends. So what is drawn from is between one and two windows old at most, and a busy minute cannot push
 * everything else out, as it would with a ring of the last few items.
 */
export class Reservoir<T> {
  readonly #options: ReservoirOptions;
  #previous: readonly T[] = [];
  #current: T[] = [];
  #seen = 0;
  #endsMs = -Infinity;

  constructor(options: ReservoirOptions) {
    this.#options = options;
  }

  /** Offers an item; `make` is called, and its result kept, only when it is chosen. */
  offer(nowMs: number, make: () => T): void {
    this.#turn(nowMs);
    const { capacity, random } = this.#options;
    this.#seen++;
    if (this.#current.length < capacity) {
      this.#current.push(make());
      return;
    }
    const place = random.below(this.#seen);
    if (place < capacity) this.#current[place] = make();
  }

  /** Up to `count` different items that `fits`, each choice equally likely. */
  draw(nowMs: number, count: number, fits: (item: T) => boolean): T[] {
    this.#turn(nowMs);
    const items = [...this.#previous, ...this.#current];
    const drawn: T[] = [];
    // Fisher and Yates, as far as needed
    for (let end = items.length; end > 0 && drawn.length < count; end--) {
      const at = this.#options.random.below(end);
      const item = items[at]!;
      items[at] = items[end - 1]!;
      if (fits(item)) drawn.push(item);
    }
    return drawn;
  }

  /** Items held now. */
  get size(): number {
    return this.#previous.length + this.#current.length;
  }

  #turn(nowMs: number): void {
    if (nowMs < this.#endsMs) return;
    const { windowMs } = this.#options;
    // windows follow each other without gaps; after a silence of a whole one nothing is recent any more
    const follows = nowMs < this.#endsMs + windowMs;
    this.#previous = follows ? this.#current : [];
    this.#current = [];
    this.#seen = 0;
    this.#endsMs = (follows ? this.#endsMs : nowMs) + windowMs;
  }
}
