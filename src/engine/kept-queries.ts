/**
 * Queries of works that come in pieces, from the piece that computes them until the work is released. The first context of a work
 * meets its chunks in order, so what is kept of a work are its first rows; they serve its other contexts. Computed anew with
 * each context, queries were a quarter of a large matrix.
 */
import { BYTES_PER_ELEMENT } from '../tensor/tensor.js';
import { discard } from './memory.js';

/** All that is kept: 16,384 steps at h 512. What finds no room is computed anew with each piece. */
const MOST_BYTES = 32 * 1024 * 1024;

interface Kept {
  /** Room for all rows of the work, or for as many as there was room for. */
  readonly values: Float32Array<ArrayBuffer>;
  /** Those that are there. */
  rows: number;
}

export class KeptQueries {
  readonly #width: number;
  readonly #mostRows: number;
  readonly #works = new Map<number, Kept>();
  #rows = 0;

  /** `width`: of a query. */
  constructor(width: number, mostBytes = MOST_BYTES) {
    this.#width = width;
    this.#mostRows = Math.floor(mostBytes / (width * BYTES_PER_ELEMENT.float32));
  }

  /** The rows [from, to) of a work, if all are kept. */
  find(work: number, from: number, to: number): Float32Array | undefined {
    const kept = this.#works.get(work);
    if (kept === undefined || to > kept.rows) return undefined;
    return kept.values.subarray(from * this.#width, to * this.#width);
  }

  /** Rows from `from` on of a work that has `total`. Those that do not follow what is kept, or find no room, are not kept. */
  keep(work: number, total: number, from: number, queries: Float32Array): void {
    const kept = this.#works.get(work) ?? this.#begin(work, total);
    const at = from * this.#width;
    if (from !== kept.rows || at + queries.length > kept.values.length) return;
    kept.values.set(queries, at);
    kept.rows += queries.length / this.#width;
  }

  /** The work has ended, or nobody knows of it here. */
  release(work: number): void {
    const kept = this.#works.get(work);
    if (kept === undefined) return;
    this.#works.delete(work);
    this.#rows -= kept.values.length / this.#width;
    discard([kept.values.buffer]);
  }

  #begin(work: number, total: number): Kept {
    const rows = Math.min(total, this.#mostRows - this.#rows);
    this.#rows += rows;
    const kept = { values: new Float32Array(rows * this.#width), rows: 0 };
    this.#works.set(work, kept);
    return kept;
  }
}
