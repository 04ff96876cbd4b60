/**
 * One row of InfoNCE over numbers, in float64 (van den Oord et al. 2018): the one kernel of the losses, of the report and of
 * live quality. A row is a context's own chunk among others, p_j = softmax(-E_j / tau).
 *
 * Ties: a row is won only when its own energy is strictly below every other; that is the rule of every accuracy. Expected
 * calibration error alone reads `wonByLot`, since among k equal chunks a probability of 1/k is right.
 */

export interface InfoNceRow {
  /** -log p_own, nats. */
  readonly loss: number;
  /** Chunks that count, the own one included. */
  readonly count: number;
  /** Largest probability of the row. */
  readonly confidence: number;
  /** 1 when the own energy is strictly below every other, else 0. */
  readonly won: number;
  /** Chance that the own chunk is drawn from those of the lowest energy: 1/k where it is one of k. */
  readonly wonByLot: number;
}

/**
 * The row `energies[start .. start + width)`, its own chunk at `start + own`; where `usable` is given, chunks with 0 there do
 * not count. The own chunk must.
 */
export function infonceRow(
  energies: ArrayLike<number>,
  start: number,
  width: number,
  own: number,
  tau: number,
  usable?: ArrayLike<number>,
): InfoNceRow {
  let lowest = Infinity;
  let count = 0;
  for (let j = start; j < start + width; j++) {
    if (usable && !usable[j]) continue;
    count++;
    lowest = Math.min(lowest, energies[j]!);
  }
  let partition = 0;
  let ties = 0;
  for (let j = start; j < start + width; j++) {
    if (usable && !usable[j]) continue;
    partition += Math.exp((lowest - energies[j]!) / tau);
    if (energies[j] === lowest) ties++;
  }
  const energy = energies[start + own]!;
  return {
    loss: Math.log(partition) + (energy - lowest) / tau,
    count,
    confidence: 1 / partition,
    won: energy === lowest && ties === 1 ? 1 : 0,
    wonByLot: energy === lowest ? 1 / ties : 0,
  };
}
