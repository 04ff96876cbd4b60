/** A p99 that a real Prometheus reads from our buckets is within 5 percent of the exact one where control loops live. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from '../../src/client/load-loops.js';
import { startMetricsServer } from '../../src/metrics/http.js';
import { createMetrics } from '../../src/metrics/metrics.js';
import { seededRandom } from '../../src/random.js';
import { skipWithoutPrometheus, startPrometheus } from '../support/prometheus.js';

const random = seededRandom(1, 'latencies');

/** Seconds. */
const LATENCIES: Readonly<Record<string, () => number>> = {
  Steady: () => 0.008 * Math.exp(0.1 * random.normal()),
  Skewed: () => 0.02 * Math.exp(0.5 * random.normal()),
  KeptAndFresh: () => (random.uniform() < 0.8 ? 0.006 : 0.034) * Math.exp(0.15 * random.normal()),
  Uniform: () => 0.002 + 0.09 * random.uniform(),
};

test(
  'p50, p90 and p99 of calls, read by Prometheus',
  { skip: skipWithoutPrometheus('QUANTILES ARE') },
  async () => {
    const metrics = createMetrics(() => []);
    const exact = new Map<string, number[]>();
    for (const [method, draw] of Object.entries(LATENCIES)) {
      const labels = { grpc_type: 'unary', grpc_service: 'test', grpc_method: method };
      const seconds = Array.from({ length: 20_000 }, draw);
      for (const each of seconds) metrics.rpcSeconds.observe(labels, each);
      exact.set(
        method,
        seconds.sort((a, b) => a - b),
      );
    }
    const probes = { healthy: () => true, ready: () => true };
    const page = await startMetricsServer({ host: '127.0.0.1', port: 0 }, metrics.registry, probes);
    const prometheus = await startPrometheus(page.port);
    try {
      for (const p of [0.5, 0.9, 0.99]) {
        const expr = `histogram_quantile(${p}, sum by (grpc_method, le) (grpc_server_handling_seconds_bucket))`;
        let lines = await prometheus.query(expr);
        while (lines.length < exact.size) {
          await delay(100);
          lines = await prometheus.query(expr);
        }
        for (const { labels, points } of lines) {
          const wanted = percentile(exact.get(labels['grpc_method']!)!, p);
          const [[, found]] = points as [[number, number]];
          assert.ok(
            Math.abs(found / wanted - 1) < 0.05,
            `${labels['grpc_method']}, p ${p}: ${found} for ${wanted}`,
          );
        }
      }
    } finally {
      await prometheus.close();
      await page.close();
    }
  },
);
