/** The last items, but none that is too old: what moving averages and shares are taken over. */
export interface RecentOptions {
  /** Most items; the oldest goes first. */
  readonly capacity: number;
  readonly maxAgeMs: number;
}

export class Recent<T> {
  readonly #options: RecentOptions;
  /** A ring; `#next` is the place of the oldest once it is full. */
  readonly #items: { readonly value: T; readonly atMs: number }[] = [];
  #next = 0;

  constructor(options: RecentOptions) {
    this.#options = options;
  }

  push(nowMs: number, value: T): void {
    this.#items[this.#next] = { value, atMs: nowMs };
    this.#next = (this.#next + 1) % this.#options.capacity;
  }

  values(nowMs: number): T[] {
    const { maxAgeMs } = this.#options;
    return this.#items.filter(({ atMs }) => nowMs - atMs <= maxAgeMs).map(({ value }) => value);
  }
}
