/**
 * `npm run dashboards`: what the Grafana dashboards show of a real run. A server under load (a robot for a while, then ten times
 * too much, then the robot again) is scraped by a real Prometheus; every panel's queries are drawn, and chromium photographs the page into
 * docs/dashboards. Grafana is in no package registry, so the pictures are of its queries and descriptions, not of its own
 * drawing. Needs Debian's prometheus and chromium.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PANELS } from '../deploy/dashboards/dashboards.js';
import type { PanelSpec } from '../deploy/dashboards/queries.js';
import { COLOURS, escapeText, frame, padded, px, svg } from '../src/calibration/report/html/svg.js';
import { EnergyClient } from '../src/client/energy-client.js';
import { DASHBOARDS, type DashboardRows } from '../src/metrics/dashboard-rows.js';
import { everyKindOfCall } from '../test/support/every-call.js';
import { overload, SERVE_BUNDLED } from '../test/support/load.js';
import { startPrometheus, withoutVariables, type Line, type Prometheus } from '../test/support/prometheus.js';
import { startServerProcess } from '../test/support/server-process.js';

const OUT = fileURLToPath(new URL('../../docs/dashboards/', import.meta.url));
const ROBOT_MS = 25_000;
const OVERLOAD_MS = 6_000;
const STEP_SECONDS = 2;
const WIDTH = 1460;
const PANEL = { width: 440, height: 210 } as const;
const PALETTE = [COLOURS.blue, COLOURS.orange, COLOURS.green, '#CC79A7', '#56B4E9', '#E69F00', COLOURS.grey];

interface Named extends Line {
  readonly name: string;
}

function nameOf(labels: Line['labels'], legend: string): string {
  return legend
    .replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => (label === 'instance' ? '' : (labels[label] ?? '')))
    .trim();
}

async function linesOf(prometheus: Prometheus, spec: PanelSpec, from: number, to: number): Promise<Named[]> {
  const found: Named[] = [];
  for (const { expr, legend } of spec.queries) {
    const lines = await prometheus.queryRange(withoutVariables(expr, '10s'), from, to, STEP_SECONDS);
    for (const line of lines) found.push({ ...line, name: nameOf(line.labels, legend) });
  }
  return found;
}

const MEBI = 2 ** 20;

/** How a unit of Grafana's is drawn here, and by what values are divided. */
const UNITS: Readonly<Record<string, readonly [name: string, divisor: number]>> = {
  cps: ['a second', 1],
  s: ['seconds', 1],
  percentunit: ['share', 1],
  bytes: ['MiB', MEBI],
  Bps: ['MiB a second', MEBI],
};

function plot(spec: PanelSpec, drawn: readonly Named[], from: number, to: number): string {
  const [unit, divisor] = UNITS[spec.unit] ?? ['', 1];
  const lines = drawn.map((line) => ({
    ...line,
    points: line.points.map(([at, value]) => [at, value / divisor] as const),
  }));
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
  if (values.length === 0) return '<p class="empty">no data in this run</p>';
  const { x, y, axes, ...size } = frame(
    PANEL.width,
    PANEL.height,
    { range: [0, to - from], title: 'seconds' },
    { range: padded([0, ...values]), title: unit },
  );
  const curves = lines.map(({ points }, index) => {
    const colour = PALETTE[index % PALETTE.length]!;
    const finite = points.filter(([, value]) => Number.isFinite(value));
    const at = finite.map(([seconds, value]) => `${px(x(seconds - from))},${px(y(value))}`).join(' ');
    return `<polyline points="${at}" fill="none" stroke="${colour}" stroke-width="1.6"/>`;
  });
  const legend = lines
    .slice(0, 8)
    .map(
      ({ name }, index) =>
        `<span style="color:${PALETTE[index % PALETTE.length]}">${escapeText(name || spec.title)}</span>`,
    );
  return `${svg(size, spec.title, axes + curves.join(''))}<p class="legend">${legend.join(' ')}${lines.length > 8 ? ` and ${lines.length - 8} more` : ''}</p>`;
}

function table(lines: readonly Named[]): string {
  const rows = lines.map(({ labels }) =>
    Object.entries(labels)
      .filter(([label]) => !['__name__', 'instance', 'job'].includes(label))
      .map(([label, value]) => `<tr><td>${escapeText(label)}<td>${escapeText(value.slice(0, 24))}`)
      .join(''),
  );
  return `<table>${rows.join('')}</table>`;
}

const STYLE = `body{font:13px system-ui,sans-serif;margin:20px;color:#222;width:1400px}
.row{display:grid;grid-template-columns:repeat(3,1fr);gap:14px}.panel{border:1px solid #ddd;border-radius:4px;padding:8px}
h1{font-size:20px}h2{font-size:15px;margin:18px 0 8px}h3{font-size:13px;margin:0}.note{color:#666;font-size:11px;margin:2px 0;min-height:42px}
.legend{font-size:11px;margin:0}.legend span{margin-right:8px}.empty{color:#999;height:150px}
svg{font-size:11px;width:100%}.grid{stroke:#e8e8e8}.axis{stroke:#999}svg text{fill:#555}td{padding:2px 8px}`;

async function page(
  prometheus: Prometheus,
  { title, rows }: DashboardRows,
  from: number,
  to: number,
): Promise<string> {
  const sections: string[] = [];
  for (const [key, rowTitle] of Object.entries(rows)) {
    const panels: string[] = [];
    for (const spec of PANELS.filter(({ row }) => row === key)) {
      const lines = await linesOf(prometheus, spec, from, to);
      const body = spec.kind === 'table' ? table(lines) : plot(spec, lines, from, to);
      panels.push(
        `<div class="panel"><h3>${escapeText(spec.title)}</h3><p class="note">${escapeText(spec.description)}</p>${body}</div>`,
      );
    }
    sections.push(`<h2>${escapeText(rowTitle)}</h2><div class="row">${panels.join('')}</div>`);
  }
  return `<!doctype html><meta charset="utf-8"><title>${escapeText(title)}</title><style>${STYLE}</style><h1>${escapeText(title)}</h1>${sections.join('')}<script>document.body.dataset.height = document.body.getBoundingClientRect().bottom.toFixed();</script>`;
}

/** Chromium without a window, on a page of a given height. Errors: no chromium. */
async function chromium(html: string, height: number, ...args: readonly string[]): Promise<string> {
  const profile = await mkdtemp(path.join(tmpdir(), 'action-energy-chromium-'));
  const flags = [
    '--headless',
    '--no-sandbox',
    '--hide-scrollbars',
    `--window-size=${WIDTH},${height}`,
    `--user-data-dir=${profile}`,
  ];
  try {
    return execFileSync('chromium', [...flags, ...args, pathToFileURL(html).href], {
      stdio: 'pipe',
      encoding: 'utf8',
    });
  } finally {
    await rm(profile, { recursive: true, force: true });
  }
}

/** A picture of the whole page and of nothing below it: how high it is, the page says itself. */
async function photograph(html: string, png: string): Promise<void> {
  const [, height] = /data-height="(\d+)"/.exec(await chromium(html, 400, '--dump-dom')) ?? [];
  await chromium(html, Number(height), `--screenshot=${png}`);
  process.stdout.write(`${png}\n`);
}

const server = await startServerProcess([
  ...SERVE_BUNDLED,
  '--training',
  ...['--quality-share', '1', '--quality-chunks-per-second', '1000', '--queue-items', '16'],
]);
const client = await EnergyClient.open({ address: server.address });
const prometheus = await startPrometheus(server.metricsPort);
try {
  const from = Date.now() / 1000;
  await everyKindOfCall(client, server.address, ROBOT_MS);
  await overload(server, client, OVERLOAD_MS);
  await everyKindOfCall(client, server.address, ROBOT_MS);
  const to = Date.now() / 1000;
  await mkdir(OUT, { recursive: true });
  for (const [name, rows] of Object.entries<DashboardRows>(DASHBOARDS)) {
    const html = path.join(OUT, `${name}.html`);
    await writeFile(html, await page(prometheus, rows, from, to));
    await photograph(html, path.join(OUT, `${name}.png`));
    await rm(html);
  }
} finally {
  client.close();
  await prometheus.close();
  await server.stop();
}
