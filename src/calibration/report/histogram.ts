/** Histograms of expert and negative scores over common bins. */
import { quantile } from '../metrics/bootstrap.js';
import { noiseName, NOISE_SIGMAS } from '../data/negatives.js';
import type { Report } from './report-schema.js';

const BINS = 40;
/** The farthest half percent at each end falls into the end bins, so that one outlier does not flatten the picture. */
const TRIM = 0.005;

/** `own` [n], `swap` [n, B] with NaN where there is none; the largest noise as a third series. */
export function histogram(
  own: Float64Array,
  swap: Float64Array,
  negatives: ReadonlyMap<string, Float64Array>,
): Report['plots']['histogram'] {
  const largest = noiseName(NOISE_SIGMAS.at(-1)!);
  const series = [
    { name: 'expert', values: own },
    { name: 'swap', values: swap.filter((value) => !Number.isNaN(value)) },
    { name: largest, values: negatives.get(largest) ?? new Float64Array(0) },
  ].filter(({ values }) => values.length > 0);
  const ends = series.map(({ values }) => values.slice().sort());
  const low = Math.min(...ends.map((sorted) => quantile(sorted, TRIM)));
  const high = Math.max(...ends.map((sorted) => quantile(sorted, 1 - TRIM)));
  const width = high > low ? (high - low) / BINS : 1;
  return {
    edges: Array.from({ length: BINS + 1 }, (_, i) => low + i * width),
    series: series.map(({ name, values }) => {
      const shares = new Array<number>(BINS).fill(0);
      for (const value of values) {
        const bin = Math.min(BINS - 1, Math.max(0, Math.floor((value - low) / width)));
        shares[bin]! += 1 / values.length;
      }
      return { name, shares };
    }),
  };
}
