/**
 * Area under the ROC curve of "higher energy means not the expert's": the chance that a negative's energy lies above a
 * positive's, ties counting half (Mann and Whitney 1947). Pooled over rows, so it asks whether one threshold would do
 * for all contexts; `winRates` asks the easier question within each context.
 */
import type { WeightedValues } from './intervals.js';

/** `positive` [n], `negative` [n, k] row-major, NaN = none. Sorted once; each weighting is then one linear pass. */
export function aurocStatistic(positive: Float64Array, negative: Float64Array): WeightedValues {
  const perRow = negative.length / positive.length;
  const entries: { value: number; row: number; isPositive: boolean }[] = [];
  positive.forEach((value, row) => entries.push({ value, row, isPositive: true }));
  negative.forEach((value, at) => {
    if (!Number.isNaN(value)) entries.push({ value, row: Math.floor(at / perRow), isPositive: false });
  });
  entries.sort((a, b) => a.value - b.value);
  const values = Float64Array.from(entries, (entry) => entry.value);
  const rows = Int32Array.from(entries, (entry) => entry.row);
  const isPositive = Uint8Array.from(entries, (entry) => (entry.isPositive ? 1 : 0));
  return (weights) => {
    let positives = 0;
    let negatives = 0;
    let area = 0;
    for (let start = 0; start < values.length;) {
      let tiedPositive = 0;
      let tiedNegative = 0;
      let end = start;
      for (; end < values.length && values[end] === values[start]; end++) {
        if (isPositive[end]) tiedPositive += weights[rows[end]!]!;
        else tiedNegative += weights[rows[end]!]!;
      }
      area += tiedNegative * (positives + tiedPositive / 2);
      positives += tiedPositive;
      negatives += tiedNegative;
      start = end;
    }
    return [area / (positives * negatives)];
  };
}

/** Share of a row's negatives whose energy lies above the row's positive, ties half; NaN for a row without any. [n] */
export function winRates(positive: Float64Array, negative: Float64Array): Float64Array {
  const perRow = negative.length / positive.length;
  return positive.map((expert, row) => {
    let wins = 0;
    let count = 0;
    for (let j = row * perRow; j < (row + 1) * perRow; j++) {
      const value = negative[j]!;
      if (Number.isNaN(value)) continue;
      count++;
      if (value > expert) wins += 1;
      else if (value === expert) wins += 0.5;
    }
    return count > 0 ? wins / count : NaN;
  });
}
