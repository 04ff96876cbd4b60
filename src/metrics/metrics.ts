/** The series of the catalogue, in a registry of their own: nothing is registered process-wide. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { CATALOGUE } from './catalogue/catalogue.js';
import type { CounterMetric, GaugeMetric, HistogramMetric, Metric } from './metric.js';
import type { ModelSample, ServerSample } from './sample.js';

export type { ModelSample, ServerSample } from './sample.js';

type Entries = typeof CATALOGUE;

/** Those that code records where things happen; the others are read of models and server, or are the process's. */
type RecordedKey = {
  [K in keyof Entries]: Entries[K] extends { type: 'process' } | { read: unknown } | { readServer: unknown }
    ? never
    : K;
}[keyof Entries];

type Series<M extends Metric> = M extends { type: 'counter' }
  ? Counter<M['labels'][number]>
  : M extends { type: 'gauge' }
    ? Gauge<M['labels'][number]>
    : Histogram<M['labels'][number]>;

export type Metrics = { readonly registry: Registry } & {
  readonly [K in RecordedKey]: Series<Entries[K]>;
};

/** `sample` and `server` are called at each scrape; undefined: there is nothing to tell yet. */
export function createMetrics(
  sample: () => readonly ModelSample[],
  server: () => ServerSample | undefined = () => undefined,
): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry }); // process figures and event-loop lag
  const recorded: Record<string, Counter | Gauge | Histogram> = {};
  for (const [key, metric] of Object.entries<Metric>(CATALOGUE)) {
    if (metric.type === 'process') continue;
    const series = createSeries(metric, registry, sample, server);
    if (metric.type === 'histogram' || !(metric.read ?? metric.readServer)) recorded[key] = series;
  }
  return { registry, ...recorded } as Metrics; // one series an entry, of its type
}

function createSeries(
  metric: CounterMetric | GaugeMetric | HistogramMetric,
  registry: Registry,
  sample: () => readonly ModelSample[],
  server: () => ServerSample | undefined,
): Counter | Gauge | Histogram {
  const { name, help, labels: labelNames } = metric;
  const options = { name, help, labelNames, registers: [registry] };
  if (metric.type === 'histogram') return new Histogram({ ...options, buckets: [...metric.buckets] });
  const { read, readServer } = metric;
  const collected = (read ?? readServer) && {
    collect(this: Counter | Gauge): void {
      this.reset();
      for (const each of read ? sample() : []) {
        for (const [labels, value] of read!(each)) this.inc({ model: each.model, ...labels }, value);
      }
      const whole = readServer && server();
      if (whole) for (const [labels, value] of readServer(whole)) this.inc({ ...labels }, value);
    },
  };
  return new { counter: Counter, gauge: Gauge }[metric.type]({ ...options, ...collected });
}
