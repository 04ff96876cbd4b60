/** One context's chunk against chunks of other moments: a row of swap InfoNCE (van den Oord et al. 2018). */

export interface InfonceRow {
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
export function infonceRow(positive: number, negatives: Float64Array, tau: number): InfonceRow {
  const lowest = negatives.reduce((low, energy) => Math.min(low, energy), positive);
  let partition = Math.exp((lowest - positive) / tau);
  let sum = 0;
  for (const energy of negatives) {
    partition += Math.exp((lowest - energy) / tau);
    sum += energy;
  }
  const negative = sum / negatives.length;
  return {
    positive,
    negative,
    gap: negative - positive,
    loss: Math.log(partition) + (positive - lowest) / tau,
    chance: Math.log(negatives.length + 1),
    accuracy: negatives.every((energy) => positive < energy) ? 1 : 0,
  };
}

/** Mean of each column; `rows` at least one. */
export function meanRow(rows: readonly InfonceRow[]): InfonceRow {
  const mean = (read: (row: InfonceRow) => number): number =>
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
