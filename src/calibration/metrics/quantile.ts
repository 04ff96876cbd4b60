/** Linear interpolation between order statistics (NumPy's default, type 7 of Hyndman and Fan). NaN when empty. */
export function quantile(sorted: Float64Array, level: number): number {
  if (sorted.length === 0) return NaN;
  const place = level * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}
