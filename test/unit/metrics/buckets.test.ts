/** A p99 that Prometheus reads from the buckets is within 5 percent of the exact one, whatever the latencies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { CALL_SECONDS, CONTROL_PERIODS_SECONDS, STAGE_SECONDS } from '../../../src/metrics/buckets.js';

/** Prometheus' `histogram_quantile` (promql/quantile.go, bucketQuantile), for quantiles that fall in a finite bucket. */
async function histogramQuantile(
  q: number,
  bounds: readonly number[],
  samples: readonly number[],
): Promise<number> {
  const histogram = new Histogram({
    name: 'h',
    help: 'h',
    buckets: [...bounds],
    registers: [new Registry()],
  });
  for (const sample of samples) histogram.observe(sample);
  const counts = (await histogram.get()).values
    .filter(({ metricName }) => metricName === 'h_bucket')
    .map(({ value }) => value); // cumulative, the last is le="+Inf"
  const rank = q * counts.at(-1)!;
  const bucket = counts.findIndex((count) => count >= rank);
  assert.ok(bucket < bounds.length, 'beyond the last bound');
  const below = bucket === 0 ? 0 : counts[bucket - 1]!;
  const from = bucket === 0 ? 0 : bounds[bucket - 1]!;
  return from + (bounds[bucket]! - from) * ((rank - below) / (counts[bucket]! - below));
}

/** The smallest sample that at least the share q does not exceed. */
function exactQuantile(q: number, samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
}

const cases = [
  { name: 'calls, 2 to 100 ms', bounds: CALL_SECONDS, from: 0.002, to: 0.1, tolerance: 0.05 },
  { name: 'calls, 1 ms to 2 s', bounds: CALL_SECONDS, from: 0.001, to: 2, tolerance: 0.16 },
  { name: 'stages, 0.1 ms to 2 s', bounds: STAGE_SECONDS, from: 1e-4, to: 2, tolerance: 0.26 },
];

for (const { name, bounds, from, to, tolerance } of cases) {
  test(`quantiles of ${name}: within ${tolerance * 100} percent of the exact ones, by property`, async () => {
    const latency = fc
      .double({ min: Math.log(from * 1.0001), max: Math.log(to * 0.9999), noNaN: true })
      .map(Math.exp);
    await fc.assert(
      fc.asyncProperty(
        fc.array(latency, { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.5, 0.9, 0.99),
        async (samples, q) => {
          const exact = exactQuantile(q, samples);
          const read = await histogramQuantile(q, bounds, samples);
          assert.ok(Math.abs(read / exact - 1) <= tolerance, `q ${q}: ${read} for ${exact}`);
        },
      ),
      { numRuns: 200 },
    );
  });
}

test('the share of calls inside a control period is exact: each period is a bound', () => {
  for (const period of CONTROL_PERIODS_SECONDS) assert.ok(CALL_SECONDS.includes(period), String(period));
});

test('a series of calls stays small', () => {
  assert.ok(CALL_SECONDS.length <= 140, String(CALL_SECONDS.length));
  assert.ok(STAGE_SECONDS.length <= 60, String(STAGE_SECONDS.length));
});
