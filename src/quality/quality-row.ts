/** One context's chunk against chunks of other moments: a row of swap InfoNCE (van den Oord et al. 2018). */

import { infonceRow } from '../energy/infonce-row.js';

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
