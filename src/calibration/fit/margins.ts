/**
 * Quantiles of energy differences, for a gate that accepts a chunk only when it lies clearly below the baseline.
 */
import { quantile } from '../metrics/bootstrap.js';

export const MARGIN_LEVELS = [0.5, 0.75, 0.9, 0.95, 0.99] as const;

export interface MarginQuantiles {
  readonly levels: readonly number[];
  /**
   * How far the lowest of a few noisy copies lies below the expert's own chunk, E_expert - min E_noisy, at those levels.
   * None of the copies is better, so a drop below the 0.95 quantile is what chance alone gives one time in twenty.
   */
  readonly chance: readonly number[];
  /** How far the expert's chunk lies below the best of its swap negatives, min E_swap - E_expert. */
  readonly expert: readonly number[];
}

/** `own` [n]; `swap` [n, B] and `noisy` [n, K] row-major, NaN = none. */
export function marginQuantiles(own: Float64Array, swap: Float64Array, noisy: Float64Array): MarginQuantiles {
  const drop = own.map((energy, row) => energy - rowMinimum(noisy, row, own.length));
  const lead = own.map((energy, row) => rowMinimum(swap, row, own.length) - energy);
  const levels = [...MARGIN_LEVELS];
  return { levels, chance: quantilesOf(drop, levels), expert: quantilesOf(lead, levels) };
}

/** Lowest value of a row, NaN where the row has none. */
function rowMinimum(values: Float64Array, row: number, rows: number): number {
  const width = values.length / rows;
  let lowest = NaN;
  for (let at = row * width; at < (row + 1) * width; at++) {
    if (!(values[at]! >= lowest)) lowest = Number.isNaN(values[at]!) ? lowest : values[at]!;
  }
  return lowest;
}

function quantilesOf(values: Float64Array, levels: readonly number[]): number[] {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  return sorted.length === 0 ? [] : levels.map((level) => quantile(sorted, level));
}
