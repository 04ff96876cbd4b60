import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startMetricsServer } from '../../../src/metrics/http.js';
import { createMetrics } from '../../../src/metrics/metrics.js';

test('metrics and probes over HTTP', async () => {
  const metrics = createMetrics(
    () => [
      {
        model: 'm',
        queueDepth: 3,
        queueBytes: 4096,
        capacity: { queueItems: 10, queueBytes: 100, contextBytes: 1000 },
        calibrationAgeSeconds: 60,
        quality: [],
        inputs: [],
        calibration: { state: 'NONE', version: '', verdict: '' },
        cache: { entries: 2, bytes: 100, hits: 5, misses: 1, evictions: { lru: 4, expired: 0, dropped: 0 } },
      },
    ],
    () => ({
      budget: { taken: { kept: 1, messages: 2 }, limitBytes: 8 },
      build: { version: '1.2.3', node: '20.0.0', onnxruntime: '1.30.0' },
    }),
  );
  metrics.energy.observe({ model: 'm', candidate: 'best' }, 0.35);
  metrics.rejections.inc({ model: 'm', reason: 'queue_full' }, 2);
  let ready = false;
  const server = await startMetricsServer({ host: '127.0.0.1', port: 0 }, metrics.registry, {
    healthy: () => true,
    ready: () => ready,
  });
  const get = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}${path}`, init);
  try {
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await (await get('/metrics')).text();
      for (const line of [
        'action_energy_queue_depth{model="m"} 3',
        'action_energy_queue_limit{model="m"} 10',
        'action_energy_queue_limit_bytes{model="m"} 100',
        'action_energy_context_cache_limit_bytes{model="m"} 1000',
        'action_energy_calibration_age_seconds{model="m"} 60',
        'action_energy_memory_budget_bytes{part="kept"} 1',
        'action_energy_memory_budget_bytes{part="messages"} 2',
        'action_energy_memory_budget_limit_bytes 8',
        'action_energy_build_info{version="1.2.3",node="20.0.0",onnxruntime="1.30.0"} 1',
        'action_energy_context_cache_lookups_total{model="m",outcome="hit"} 5',
        'action_energy_context_cache_evictions_total{model="m",reason="lru"} 4',
        'action_energy_rejections_total{model="m",reason="queue_full"} 2',
        'action_energy_energy_bucket{le="0.4",model="m",candidate="best"} 1',
        'action_energy_energy_bucket{le="0.2",model="m",candidate="best"} 0',
      ]) {
        assert.ok(text.includes(line), line);
      }
      assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m);
      assert.match(text, /^process_resident_memory_bytes /m);
    }
    assert.equal((await get('/healthz')).status, 200);
    assert.equal((await get('/readyz')).status, 503);
    ready = true;
    assert.equal((await get('/readyz')).status, 200);
    assert.equal((await get('/')).status, 404);
    assert.equal((await get('/constructor')).status, 404);
    assert.equal((await get('/metrics', { method: 'POST' })).status, 405);
  } finally {
    await server.close();
  }
});

test('a probe gets in beside many connections that ask slowly or for nothing, or read nothing', async () => {
  const metrics = createMetrics(() => []);
  const server = await startMetricsServer({ host: '127.0.0.1', port: 0 }, metrics.registry, {
    healthy: () => true,
    ready: () => true,
  });
  const slow: ReturnType<typeof connect>[] = [];
  const open = async (request: string): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.on('error', () => undefined);
    socket.pause();
    slow.push(socket);
    await once(socket, 'connect');
    socket.write(request);
  };
  try {
    const many = 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(50);
    for (const request of ['GET /metr', '', many]) {
      for (let i = 0; i < 70; i++) await open(request);
      const page = await fetch(`http://127.0.0.1:${server.port}/healthz`, {
        headers: { connection: 'close' },
      });
      assert.equal(await page.text(), 'ok\n');
    }
  } finally {
    for (const socket of slow) socket.destroy();
    await server.close();
  }
});
