/**
 * Bucket bounds. Prometheus interpolates inside a bucket, so a quantile is off by less than the ratio of its bounds:
 * where control loops live (2 to 100 ms) the bounds are 5 percent apart, and a p99 within 5 percent of the exact one.
 */

/** The preferred numbers of IEC 60063, one decade: E24 lie at most 16 percent apart, E12 at most 25. */
const E12 = [1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2];
const E24 = [...E12, 1.1, 1.3, 1.6, 2, 2.4, 3, 3.6, 4.3, 5.1, 6.2, 7.5, 9.1];

/** What loops of 200, 100, 50, 30, 25, 20, 15, 10 and 5 Hz can wait: bounds, so that the share inside them is exact. */
export const CONTROL_PERIODS_SECONDS = [0.005, 0.01, 0.02, 0.0333, 0.04, 0.05, 0.0667, 0.1, 0.2] as const;

const DENSE = { from: 0.002, to: 0.1, ratio: 1.05 } as const;

/** Latencies of calls: 1 ms to 2 s, and two bounds for what went wrong. */
export const CALL_SECONDS = ascending([
  ...decades(E24, 1e-3, 2).filter((bound) => bound < DENSE.from || bound > DENSE.to),
  ...geometric(DENSE),
  ...CONTROL_PERIODS_SECONDS,
  5,
  10,
]);

/** Parts of a request, deadlines: from 0.1 ms, a small decode, to 10 s, a queue that nobody should have. */
export const STAGE_SECONDS = ascending([...decades(E12, 1e-4, 2.2), 5, 10]);

/** Tokens or steps of a batch, powers of two. */
export const BATCH_ELEMENTS = [
  0, 1, 4, 16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536,
] as const;
export const BATCH_REQUESTS = [1, 2, 4, 8, 16, 32, 64, 128] as const;

/** Fine where a sigmoid readout lives (0.1 to 2.1), coarse beyond, for linear ones. */
export const ENERGIES = [
  -10, -3, -1, -0.3, 0, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2, 2.1, 3, 10, 30,
] as const;
export const P_VALUES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1] as const;
export const MARGINS = [0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10] as const;

/** The preferred numbers from `from` to `to`, both included where they are such numbers. */
function decades(numbers: readonly number[], from: number, to: number): number[] {
  const bounds: number[] = [];
  for (let decade = Math.floor(Math.log10(from)); decade <= Math.log10(to); decade++) {
    bounds.push(...numbers.map((number) => Number(`${number}e${decade}`)));
  }
  return bounds.filter((bound) => bound >= from && bound <= to);
}

/** `from`, ..., `to`, rounded to 0.01 ms and never further apart than `ratio`. */
function geometric({ from, to, ratio }: typeof DENSE): number[] {
  const bounds: number[] = [from];
  while (bounds.at(-1)! < to)
    bounds.push(Math.min(to, Math.floor(bounds.at(-1)! * ratio * 1e5 + 1e-6) / 1e5));
  return bounds;
}

function ascending(bounds: readonly number[]): readonly number[] {
  return [...new Set(bounds)].sort((a, b) => a - b);
}
