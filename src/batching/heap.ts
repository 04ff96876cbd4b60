/**
 * A binary min-heap that knows where each item lies, so that any item can be removed or moved in O(log n).
 * Invariant: `before(items[i], items[parent(i)])` is false for every i > 0, and `place.get(items[i]) === i`.
 */
export class IndexedHeap<T> {
  readonly #items: T[] = [];
  readonly #place = new Map<T, number>();
  readonly #before: (a: T, b: T) => boolean;

  /** `before(a, b)`: a comes out first. A strict order; an item whose key changed must be told with `update`. */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  has(item: T): boolean {
    return this.#place.has(item);
  }

  /** The first item, left in place. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds an item that is not in the heap. */
  push(item: T): void {
    this.#put(item, this.#items.length);
    this.#rise(this.#items.length - 1);
  }

  /** Removes an item wherever it lies; false when it is not in the heap. */
  remove(item: T): boolean {
    const at = this.#place.get(item);
    if (at === undefined) return false;
    this.#place.delete(item);
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#put(last, at);
      this.#rise(at);
      this.#sink(this.#place.get(last)!);
    }
    return true;
  }

  /** Restores the order around an item of the heap whose key changed. */
  update(item: T): void {
    this.#rise(this.#place.get(item)!);
    this.#sink(this.#place.get(item)!);
  }

  #put(item: T, at: number): void {
    this.#items[at] = item;
    this.#place.set(item, at);
  }

  #rise(from: number): void {
    const item = this.#items[from]!;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(item, this.#items[parent]!)) break;
      this.#put(this.#items[parent]!, at);
      at = parent;
    }
    this.#put(item, at);
  }

  #sink(from: number): void {
    const item = this.#items[from]!;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#items.length) break;
      if (child + 1 < this.#items.length && this.#before(this.#items[child + 1]!, this.#items[child]!))
        child++;
      if (!this.#before(this.#items[child]!, item)) break;
      this.#put(this.#items[child]!, at);
      at = child;
    }
    this.#put(item, at);
  }
}
