/** The catalogue keeps Prometheus' conventions, says what to do, and has a place on a dashboard for everything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CATALOGUE } from '../../../src/metrics/catalogue/catalogue.js';
import type { Metric } from '../../../src/metrics/metric.js';
import { createMetrics } from '../../../src/metrics/metrics.js';
import { DASHBOARDS } from '../../../src/metrics/dashboard-rows.js';

const METRICS = Object.values<Metric>(CATALOGUE);
const ROWS = Object.values(DASHBOARDS).flatMap(({ rows }) => Object.keys(rows));
/** `info` gauges have facts in their labels; those of the process are not ours to name. */
const LABELS = [
  'model grpc_type grpc_service grpc_method grpc_code stage reason kind outcome candidate source',
  'digest architecture provider state version verdict rule result counted cause',
  'part client node onnxruntime input of',
].flatMap((line) => line.split(' '));

test('names are unique and end as their type and unit say', () => {
  assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
  for (const { name, type, unit } of METRICS) {
    if (type !== 'process') assert.match(name, /^(action_energy|grpc_server)_[a-z0-9_]+$/);
    if (type === 'counter') assert.match(name, unit === 'seconds' ? /_seconds_total$/ : /_total$/, name);
    if (type === 'gauge' || type === 'histogram') {
      assert.doesNotMatch(name, /_(total|sum|count|bucket)$/, name);
      if (unit === 'seconds' || unit === 'bytes' || unit === 'info')
        assert.match(name, new RegExp(`_${unit}$`));
    }
  }
});

test('every metric says what it means and what to do, in labels of few values, in a row that exists', () => {
  for (const { name, help, labels, panel } of METRICS) {
    assert.ok(
      help.length >= 40 && /[.;:,] /.test(help),
      `${name}: the help says what it means, then what to do`,
    );
    for (const label of labels)
      assert.ok(LABELS.includes(label), `${name}: label ${label} is not known here`);
    for (const label of panel.by ?? []) assert.ok(labels.includes(label), `${name} by ${label}`);
    assert.ok(ROWS.includes(panel.row), `${name}: row ${panel.row}`);
  }
});

test('a row of each dashboard has a name of its own', () => {
  assert.equal(new Set(ROWS).size, ROWS.length);
});

test('bounds of histograms ascend', () => {
  for (const metric of METRICS) {
    if (metric.type !== 'histogram') continue;
    metric.buckets.forEach((bound, i) =>
      assert.ok(i === 0 || bound > metric.buckets[i - 1]!, `${metric.name}: ${bound}`),
    );
  }
});

test('the registry holds the catalogue and nothing else under our names', async () => {
  const { registry } = createMetrics(() => []);
  const types = new Map((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]));
  for (const { name, type } of METRICS) {
    assert.ok(types.has(name), `${name} is not registered`);
    if (type !== 'process') assert.equal(types.get(name), type, name);
  }
  const declared = new Set(METRICS.map(({ name }) => name));
  const ours = [...types.keys()].filter((name) => /^(action_energy|grpc_server)_/.test(name));
  assert.deepEqual(
    ours.filter((name) => !declared.has(name)),
    [],
  );
});
