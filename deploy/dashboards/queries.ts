/** The queries of a panel: those of one metric follow from its entry in the catalogue, composed ones stand here by name. */
import { CATALOGUE } from '../../src/metrics/catalogue/catalogue.js';
import type { Metric } from '../../src/metrics/metric.js';

export interface Query {
  readonly expr: string;
  /** Grafana's template of a line's name; empty: all labels. */
  readonly legend: string;
}

export interface PanelSpec {
  readonly row: string;
  readonly title: string;
  readonly description: string;
  /** Grafana's unit. */
  readonly unit: string;
  readonly kind: 'lines' | 'table';
  readonly queries: readonly Query[];
}

/** Grafana's dashboard variables; the proof against a real Prometheus puts values in their place. */
const RATE = '[$__rate_interval]';

function selector(labels: readonly string[], more = ''): string {
  const model = labels.includes('model') ? 'model=~"$model",' : '';
  return `{${model}instance=~"$instance"${more}}`;
}

export function panelOf(metric: Metric): PanelSpec {
  const { panel, help } = metric;
  return {
    row: panel.row,
    title: panel.title,
    description: help,
    unit: unitOf(metric),
    kind: panel.show === 'table' ? 'table' : 'lines',
    queries: queriesOf(metric),
  };
}

function queriesOf({ name, labels, panel }: Metric): Query[] {
  const by = [...(labels.includes('model') ? ['model'] : []), ...(panel.by ?? [])];
  const legend = by.map((label) => `{{${label}}}`).join(' ');
  const chosen = selector(labels);
  switch (panel.show) {
    case 'rate':
      return [
        {
          expr: `sum by (${[...by, 'instance'].join(', ')}) (rate(${name}${chosen}${RATE}))`,
          legend: `${legend} {{instance}}`.trim(),
        },
      ];
    case 'value':
      return [{ expr: `${name}${chosen}`, legend: `${legend} {{instance}}`.trim() }];
    case 'share': {
      const whole = by.filter((label) => !panel.by?.includes(label));
      const rate = `rate(${name}${chosen}${RATE})`;
      return [
        {
          expr: `sum by (${by.join(', ')}) (${rate}) / on (${whole.join(', ')}) group_left sum by (${whole.join(', ')}) (${rate})`,
          legend,
        },
      ];
    }
    case 'quantiles':
      return [0.5, 0.9, 0.99].map((q) => ({
        expr: `histogram_quantile(${q}, sum by (${['le', ...by].join(', ')}) (rate(${name}_bucket${chosen}${RATE})))`,
        legend: `p${q * 100} ${legend}`.trim(),
      }));
    case 'table':
      return [{ expr: `${name}${chosen} == 1`, legend: '' }];
  }
}

function unitOf({ type, unit, panel }: Metric): string {
  if (panel.show === 'share') return 'percentunit';
  if (panel.show === 'rate') {
    if (unit === 'seconds') return type === 'process' ? 'short' : 'percentunit';
    return unit === 'bytes' ? 'Bps' : 'cps';
  }
  return {
    seconds: 's',
    bytes: 'bytes',
    ratio: 'percentunit',
    count: 'short',
    energy: 'short',
    nats: 'short',
    info: 'none',
  }[unit];
}

/** The calls that a control loop waits for. */
const WAITED = 'grpc_method=~"ScoreActions|SelectAction"';
const handling = CATALOGUE.rpcSeconds.name;
const handled = CATALOGUE.rpcHandled.name;
const instance = selector([]);

/** Panels that set metrics against each other. */
export const COMPOSED: readonly PanelSpec[] = [
  {
    row: 'latency',
    title: 'Calls within the control period',
    description:
      'Share of ScoreActions and SelectAction calls that ended within the chosen control period. Below 99 percent robots act on late answers: see which stage grew',
    unit: 'percentunit',
    kind: 'lines',
    queries: [
      {
        expr: `sum by (grpc_method) (rate(${handling}_bucket${selector([], `,${WAITED},le="$period"`)}${RATE})) / sum by (grpc_method) (rate(${handling}_count${selector([], `,${WAITED}`)}${RATE}))`,
        legend: '{{grpc_method}}',
      },
    ],
  },
  {
    row: 'calls',
    title: 'Calls lost to the service',
    description:
      'Share of calls that ended as UNAVAILABLE, INTERNAL, RESOURCE_EXHAUSTED or DEADLINE_EXCEEDED. It spends the error budget: the row of refusals says why',
    unit: 'percentunit',
    kind: 'lines',
    queries: [
      {
        expr: `(sum(rate(${handled}${selector([], ',grpc_code=~"UNAVAILABLE|INTERNAL|RESOURCE_EXHAUSTED|DEADLINE_EXCEEDED"')}${RATE})) or vector(0)) / sum(rate(${handled}${instance}${RATE}))`,
        legend: 'lost',
      },
    ],
  },
  {
    row: 'contexts',
    title: 'Hit rate of kept contexts',
    description:
      'Share of requests by id that found their context. Below 0.9 robots upload twice: see why contexts went',
    unit: 'percentunit',
    kind: 'lines',
    queries: [
      {
        expr: `sum by (model) (rate(${CATALOGUE.cacheLookups.name}${selector(['model'], ',outcome="hit"')}${RATE})) / sum by (model) (rate(${CATALOGUE.cacheLookups.name}${selector(['model'])}${RATE}))`,
        legend: '{{model}}',
      },
    ],
  },
  {
    row: 'process',
    title: 'GPU busy',
    description:
      "Share of the time in which a kernel ran, of NVIDIA's dcgm-exporter, where one is scraped. Low beside a busy engine: batches are too small to fill the GPU",
    unit: 'percentunit',
    kind: 'lines',
    queries: [{ expr: 'DCGM_FI_DEV_GPU_UTIL / 100', legend: '{{Hostname}} GPU {{gpu}}' }],
  },
  {
    row: 'process',
    title: 'GPU memory',
    description:
      'Of the same exporter. Kept contexts lie in the memory of the host; what grows here are weights and the working memory of batches',
    unit: 'bytes',
    kind: 'lines',
    queries: [{ expr: 'DCGM_FI_DEV_FB_USED * 2 ^ 20', legend: '{{Hostname}} GPU {{gpu}}' }],
  },
  {
    row: 'energies',
    title: 'Positive and Negative Energy',
    description:
      'The two together: apart, the model tells right chunks from wrong ones; where they meet, stop selecting by it',
    unit: 'short',
    kind: 'lines',
    queries: [
      {
        expr: `${CATALOGUE.positiveEnergy.name}${selector(['model'])}`,
        legend: 'positive {{model}} {{source}}',
      },
      {
        expr: `${CATALOGUE.negativeEnergy.name}${selector(['model'])}`,
        legend: 'negative {{model}} {{source}}',
      },
    ],
  },
  {
    row: 'infonce',
    title: 'InfoNCE loss as a share of chance',
    description:
      '1 is a model that knows nothing about these requests; compare with the report of the calibration',
    unit: 'percentunit',
    kind: 'lines',
    queries: [
      {
        expr: `${CATALOGUE.infonceLoss.name}${selector(['model'])} / ${CATALOGUE.infonceChance.name}${selector(['model'])}`,
        legend: '{{model}} {{source}}',
      },
    ],
  },
];
