/** What a metric is: one declared entry of the catalogue, from which the series, the dashboards and the tests are made. */
import type { ModelSample, ServerSample } from './sample.js';

/** What the values count; the name ends in it where Prometheus' conventions say so. */
export type Unit = 'seconds' | 'bytes' | 'ratio' | 'count' | 'energy' | 'nats' | 'info';

/**
 * How a metric is drawn. `rate`: a counter's increase a second. `share`: each label value's part of that. `value`: a gauge
 * as it is. `quantiles`: median, p90 and p99 of a histogram. `table`: the labels of an info gauge.
 */
export type Show = 'rate' | 'share' | 'value' | 'quantiles' | 'table';

export interface Panel {
  /** Key of a row of a dashboard (`dashboard-rows.ts`). */
  readonly row: string;
  readonly title: string;
  readonly show: Show;
  /** Labels that tell the lines of the panel apart; `model` does where the metric has it. */
  readonly by?: readonly string[];
}

interface Declared {
  /** Full name, as Prometheus sees it. */
  readonly name: string;
  readonly unit: Unit;
  /** Values of a label must be few: never an id, never text from a request. */
  readonly labels: readonly string[];
  /** What it says; what to do about it after the last semicolon or in a sentence of its own. */
  readonly help: string;
  readonly panel: Panel;
}

/** A value of a sampled metric with the labels it has beside `model`. */
export type Reading = readonly [labels: Readonly<Record<string, string>>, value: number];

export interface Sampled {
  /** Read of each served model at each scrape; absent when the code records values where things happen. */
  readonly read?: (sample: ModelSample) => Iterable<Reading>;
  /** Read of the server at each scrape, in place of its models. */
  readonly readServer?: (sample: ServerSample) => Iterable<Reading>;
}

export interface CounterMetric extends Declared, Sampled {
  readonly type: 'counter';
}

export interface GaugeMetric extends Declared, Sampled {
  readonly type: 'gauge';
}

export interface HistogramMetric extends Declared {
  readonly type: 'histogram';
  readonly buckets: readonly number[];
}

/** A series of the process that prom-client itself registers. */
export interface ProcessMetric extends Declared {
  readonly type: 'process';
}

export type Metric = CounterMetric | GaugeMetric | HistogramMetric | ProcessMetric;

/** Metrics by the name that the code uses. */
export type Catalogue = Readonly<Record<string, Metric>>;
