/**
 * The Grafana dashboards, made of the catalogue of metrics: a row for each row that has panels, composed panels first. `npm run
 * generate` writes them to deploy/grafana/dashboards; CI fails when they differ.
 */
import {
  CustomVariableBuilder,
  DashboardBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard';
import {
  LegendDisplayMode,
  LegendPlacement,
  VizLegendOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { CONTROL_PERIODS_SECONDS } from '../../src/metrics/buckets.js';
import { CATALOGUE } from '../../src/metrics/catalogue/catalogue.js';
import type { Metric } from '../../src/metrics/metric.js';
import { DASHBOARDS, type DashboardRows } from '../../src/metrics/dashboard-rows.js';
import { COMPOSED, panelOf, type PanelSpec } from './queries.js';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
/** Grafana's grid is 24 wide. */
const PANEL = { width: 8, height: 8 } as const;

export const PANELS: readonly PanelSpec[] = [...COMPOSED, ...Object.values<Metric>(CATALOGUE).map(panelOf)];

function variables() {
  const ofModels = (label: string): QueryVariableBuilder =>
    new QueryVariableBuilder(label)
      .datasource(DATASOURCE)
      .query(`label_values(${CATALOGUE.modelInfo.name}, ${label})`)
      .refresh(VariableRefresh.OnTimeRangeChanged)
      .multi(true)
      .includeAll(true)
      .allValue('.*')
      .current({ text: 'All', value: '$__all' });
  return [
    new DatasourceVariableBuilder('datasource').type('prometheus').label('data source'),
    ofModels('model'),
    ofModels('instance'),
    new CustomVariableBuilder('period')
      .label('control period (s)')
      .values(CONTROL_PERIODS_SECONDS.join(','))
      .current({ text: '0.05', value: '0.05' }),
  ];
}

function panel({ title, description, unit, kind, queries }: PanelSpec): TimeseriesBuilder | TableBuilder {
  const builder =
    kind === 'table'
      ? new TableBuilder()
      : new TimeseriesBuilder()
          .unit(unit)
          .fillOpacity(0)
          .legend(
            new VizLegendOptionsBuilder()
              .showLegend(true)
              .displayMode(LegendDisplayMode.List)
              .placement(LegendPlacement.Bottom),
          );
  builder.title(title).description(description).datasource(DATASOURCE).span(PANEL.width).height(PANEL.height);
  for (const [index, { expr, legend }] of queries.entries()) {
    const query = new DataqueryBuilder().refId(String.fromCharCode(65 + index)).expr(expr);
    builder.withTarget(
      kind === 'table' ? query.instant().format(PromQueryFormat.Table) : query.range().legendFormat(legend),
    );
  }
  return builder;
}

function dashboard(name: string, { title, description, rows }: DashboardRows): Dashboard {
  const builder = new DashboardBuilder(title)
    .uid(`action-energy-${name}`)
    .description(description)
    .tags(['action-energy'])
    .timezone('browser')
    .refresh('10s')
    .time({ from: 'now-30m', to: 'now' })
    .variables(variables());
  for (const [key, rowTitle] of Object.entries(rows)) {
    const panels = PANELS.filter(({ row }) => row === key);
    if (panels.length === 0) continue;
    builder.withRow(new RowBuilder(rowTitle));
    for (const spec of panels) builder.withPanel(panel(spec));
  }
  return builder.build();
}

/** File name -> JSON text. */
export function dashboardFiles(): Map<string, string> {
  return new Map(
    Object.entries<DashboardRows>(DASHBOARDS).map(([name, rows]) => [
      `${name}.json`,
      `${JSON.stringify(dashboard(name, rows), undefined, 2)}\n`,
    ]),
  );
}
