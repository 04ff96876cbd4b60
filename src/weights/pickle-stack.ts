/**
 * The stack of a pickle's machine. A MARK divides it: what lies below the last one is out of reach until everything above has been
 * taken off with it. A pickle that takes more than there is, is refused.
 */
import type { Fault } from '../errors.js';
import type { PickleValue } from './pickle-values.js';

export class PickleStack {
  readonly #values: PickleValue[] = [];
  /** Heights at which a MARK stands. */
  readonly #marks: number[] = [];
  readonly #refused: (summary: string) => Fault;

  constructor(refused: (summary: string) => Fault) {
    this.#refused = refused;
  }

  push(value: PickleValue): void {
    this.#values.push(value);
  }

  pop(): PickleValue {
    if (this.#values.length <= (this.#marks.at(-1) ?? 0)) {
      throw this.#refused('pickle takes from an empty stack');
    }
    return this.#values.pop()!;
  }

  /** The value that `pop` would take off. */
  top(): PickleValue {
    const value = this.pop();
    this.#values.push(value);
    return value;
  }

  /** Takes off the last `count` values, in the order in which they were pushed. */
  popLast(count: number): PickleValue[] {
    const values: PickleValue[] = [];
    for (let i = 0; i < count; i++) values.unshift(this.pop());
    return values;
  }

  mark(): void {
    this.#marks.push(this.#values.length);
  }

  /** Takes off the last MARK and all above it. */
  popMark(): PickleValue[] {
    const height = this.#marks.pop();
    if (height === undefined) throw this.#refused('pickle has no MARK to return to');
    return this.#values.splice(height);
  }
}
