/** Weighted moments of per-row values; NaN values (a row without one) take no part. NaN when no weight is left. */
export function weightedMean(values: Float64Array, weights: Float64Array): number {
  let sum = 0;
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i]!)) continue;
    sum += weights[i]! * values[i]!;
    total += weights[i]!;
  }
  return total > 0 ? sum / total : NaN;
}

/** Population standard deviation (divides by the weight, as NumPy's default does). */
export function weightedDeviation(values: Float64Array, weights: Float64Array): number {
  const mean = weightedMean(values, weights);
  const squares = values.map((value) => (value - mean) ** 2);
  return Math.sqrt(weightedMean(squares, weights));
}

/** Mean of each column of [n, columns], row-major. */
export function weightedColumnMeans(values: Float64Array, columns: number, weights: Float64Array): number[] {
  const sums = new Float64Array(columns);
  const totals = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    const weight = weights[Math.floor(i / columns)]!;
    sums[i % columns]! += weight * value;
    totals[i % columns]! += weight;
  }
  return Array.from(sums, (sum, column) => (totals[column]! > 0 ? sum / totals[column]! : NaN));
}

/** The weighted mean of per-row values as a statistic of the weights. */
export function meanOf(values: Float64Array): (weights: Float64Array) => readonly number[] {
  return (weights) => [weightedMean(values, weights)];
}
