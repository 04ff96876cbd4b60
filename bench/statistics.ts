import { setTimeout as delay } from 'node:timers/promises';

/** Value at quantile q of 0..1, nearest rank. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Long enough for an idle thread pool to stop spinning. */
export function pause(): Promise<void> {
  return delay(5);
}
