/** Alerts, runbook and catalogue belong together: nothing is named that is not there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { PANELS } from '../../../deploy/dashboards/dashboards.js';
import { CATALOGUE } from '../../../src/metrics/catalogue/catalogue.js';
import type { Metric } from '../../../src/metrics/metric.js';

const read = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../../${file}`, import.meta.url)), 'utf8');

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly annotations?: { readonly runbook: string };
}
const rules = (parse(read('deploy/prometheus/rules.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const metrics = Object.values<Metric>(CATALOGUE);
/** By the names that Prometheus has. */
const series = new Map<string, Metric>();
for (const metric of metrics) {
  const suffixes = metric.type === 'histogram' ? ['_bucket', '_count', '_sum'] : [''];
  for (const suffix of suffixes) series.set(`${metric.name}${suffix}`, metric);
}

/** Names of our series in an expression; colons make the name of a recording rule. */
function named(expr: string): string[] {
  return (expr.match(/\b(action_energy|grpc_server|nodejs|process)_[a-z0-9_]+(?![a-z0-9_:])/g) ?? []).filter(
    (name) => !/_energy$/.test(name) || series.has(name),
  );
}

test('rules read series of the catalogue, with labels that these have', () => {
  for (const { expr } of rules) {
    for (const name of named(expr)) assert.ok(series.has(name), `${name} in ${expr}`);
    for (const [, name, labels] of expr.matchAll(/([a-z_0-9]+)\{([^}]*)\}/g)) {
      const known = ['job', 'instance', 'le', ...(series.get(name!)?.labels ?? [])];
      for (const [, label] of labels!.matchAll(/([a-z_]+)(?:=~|!~|!=|=)/g)) {
        assert.ok(name === 'up' || known.includes(label!), `${name}{${label}}`);
      }
    }
  }
});

test('a bucket that a rule or a panel reads is a bound', () => {
  const exprs = [
    ...rules.map(({ expr }) => expr),
    ...PANELS.flatMap(({ queries }) => queries.map(({ expr }) => expr)),
  ];
  for (const expr of exprs) {
    for (const [, name, le] of expr.matchAll(/([a-z_0-9]+)_bucket\{[^}]*le="([0-9.]+)"/g)) {
      const metric = metrics.find((each) => each.name === name);
      assert.ok(metric?.type === 'histogram' && metric.buckets.includes(Number(le)), `${name} le ${le}`);
    }
  }
});

test('every alert has a section in the runbook, and every section an alert', () => {
  const sections = [...read('docs/runbook.md').matchAll(/^## (\S+)$/gm)].map(([, name]) => name);
  assert.deepEqual(
    alerts.map(({ alert }) => alert),
    sections,
  );
  for (const { alert, annotations } of alerts) {
    assert.equal(annotations?.runbook, `docs/runbook.md#${alert!.toLowerCase()}`);
  }
});

test('what the runbook calls by the name of a panel is one', () => {
  const titles = new Set(PANELS.map(({ title }) => title));
  for (const [, name] of read('docs/runbook.md')
    .replaceAll('\n', ' ')
    .matchAll(/[^*]\*([A-Z][^*]+)\*[^*]/g)) {
    assert.ok(
      [...titles].some((title) => title.startsWith(name!)),
      `${name} is no panel`,
    );
  }
});

test('panels say what they mean, and no two of a row have one title', () => {
  const keys = PANELS.map(({ row, title }) => `${row} ${title}`);
  assert.equal(new Set(keys).size, keys.length);
  for (const { title, description } of PANELS) assert.ok(description.length > 40, title);
});

test('rates of bytes are bytes a second, not calls', () => {
  const units = new Map(PANELS.map(({ title, unit }) => [title, unit]));
  assert.deepEqual(
    ['Received', 'Sent', 'Calls started'].map((title) => units.get(title)),
    ['Bps', 'Bps', 'cps'],
  );
});
