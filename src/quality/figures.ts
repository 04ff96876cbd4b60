/** The figures of live quality, over the last samples: rows of swap InfoNCE, and drift from the calibration. */
import { binShares, populationStabilityIndex, type DriftReference } from '../calibration/metrics/drift.js';
import { infonceRow } from '../energy/infonce-row.js';

export interface RecentOptions {
  /** Most items; the oldest goes first. */
  readonly capacity: number;
  readonly maxAgeMs: number;
}

/** The last items, but none that is too old: what moving averages and shares are taken over. */
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

/** One context's chunk against chunks of other moments: a row of swap InfoNCE (van den Oord et al. 2018). */
export interface QualityRow {
  readonly positive: number;
  /** Mean over the negatives. */
  readonly negative: number;
  /** negative - positive. */
  readonly gap: number;
  /** -log softmax(-E / tau) of the positive among all, nats. */
  readonly loss: number;
  /** log(negatives + 1): the loss of a model without preference. */
  readonly chance: number;
  /** 1 when the positive is below every negative (a tie is a miss), else 0. */
  readonly accuracy: number;
}

/** `negatives` [M], M at least 1. */
export function qualityRow(positive: number, negatives: Float64Array, tau: number): QualityRow {
  const row = infonceRow([positive, ...negatives], 0, 1 + negatives.length, 0, tau);
  const negative = negatives.reduce((sum, energy) => sum + energy, 0) / negatives.length;
  return {
    positive,
    negative,
    gap: negative - positive,
    loss: row.loss,
    chance: Math.log(row.count),
    accuracy: row.won,
  };
}

/** Mean of each column; `rows` at least one. */
export function meanRow(rows: readonly QualityRow[]): QualityRow {
  const mean = (read: (row: QualityRow) => number): number =>
    rows.reduce((sum, row) => sum + read(row), 0) / rows.length;
  return {
    positive: mean((row) => row.positive),
    negative: mean((row) => row.negative),
    gap: mean((row) => row.gap),
    loss: mean((row) => row.loss),
    chance: mean((row) => row.chance),
    accuracy: mean((row) => row.accuracy),
  };
}

/**
 * Below this the index is noise: of n energies from the reference itself it is about (bins - 1) / n, 0.045 for
 * 10 bins and 200.
 */
export const FEWEST_FOR_DRIFT = 200;

/** Drift of live values (energies, inputs) from those of the calibration, as population stability index over the last ones. */
export class DriftWindow {
  readonly #recent: Recent<number>;

  constructor(options: RecentOptions) {
    this.#recent = new Recent(options);
  }

  push(nowMs: number, value: number): void {
    this.#recent.push(nowMs, value);
  }

  /** Undefined without a recent value. */
  mean(nowMs: number): number | undefined {
    const values = this.#recent.values(nowMs);
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  /** Undefined with fewer than `FEWEST_FOR_DRIFT` recent values. */
  index(nowMs: number, reference: DriftReference): number | undefined {
    const values = this.#recent.values(nowMs);
    if (values.length < FEWEST_FOR_DRIFT) return undefined;
    return populationStabilityIndex(reference, binShares(reference.edges, Float64Array.from(values)));
  }
}
