/** The report as one page that needs nothing else: styles and plots inside, no scripts, opens offline, prints. */
import type { Finding } from '../../doctor/finding.js';
import { number } from '../figure.js';
import { headlineRows, marginRows, negativeRows, pValueRows, scoreRows, type Reported } from '../tables.js';
import type { Calibration } from '../../calibration-schema.js';
import { histogramPlot, noisePlot, reliabilityPlot, stepsPlot } from './curves.js';
import { landscapePlot, matrixPlot } from './maps.js';

import { escapeText } from './svg.js';

export interface PageOptions extends Reported {
  /** Gates and best rule of the calibration; null where it has none. */
  readonly choice: Calibration['choice'];
  /** Name of the model. */
  readonly model: string;
  readonly weightsDigest: string;
  readonly data: Pick<Calibration['data'], 'sources'> & Partial<Calibration['data']>;
  readonly created: string;
  /** Of the calibration whose temperature and experts are used. */
  readonly version: string;
  readonly findings?: readonly Finding[];
}

/** Self-contained HTML. Every text from outside is escaped. */
export function renderPage(options: PageOptions): string {
  const { model, report } = options;
  const landscape = landscapePlot(report);
  const { row, dim_names: dims } = report.plots.landscape ?? {};
  const plots: (readonly [string, string] | undefined)[] = [
    [
      reliabilityPlot(report),
      `Reliability before and after calibration. ECE ${number(report.reliability.ece_before.value)} before, ${number(report.reliability.ece_after.value)} after. Dot area: share of rows. Bars: 95 percent intervals.`,
    ],
    [
      histogramPlot(report),
      'Energies of expert chunks, of swap negatives (the expert chunk of another context) and of experts with large noise.',
    ],
    [
      matrixPlot(report),
      `Energies of one held-out batch of ${report.batch}: each context with the chunk of every other. A model that can choose has a dark diagonal.`,
    ],
    landscape === undefined
      ? undefined
      : [
          landscape,
          `Energy around the expert chunk of row ${row}, whole chunk pushed along ${dims?.join(' and ')}. Cross: the expert; circle: the lowest energy.`,
        ],
    [
      noisePlot(report),
      `Mean energy of expert chunks with growing noise (one draw a row, scaled). Spearman ${number(report.noise.spearman.value)}.`,
    ],
    [stepsPlot(report), 'Mean energy at each step of the chunk, for experts and for swap negatives.'],
  ];
  const figures = plots
    .filter((plot) => plot !== undefined)
    .map(
      ([picture, caption], i) =>
        `<figure>${picture}<figcaption><b>Figure ${i + 1}.</b> ${escapeText(caption)}</figcaption></figure>`,
    );
  const omitted = report.omitted.map(({ name, reason }) => `${name} (${reason})`).join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Calibration of ${escapeText(model)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>Calibration of ${escapeText(model)}</h1>${provenance(options)}</header>
<main>
<section><h2>In one look</h2>${table(
    ['Figure', 'Value [95 percent interval]', 'Reading'],
    headlineRows(options),
  )}</section>
<section><h2>Plots</h2><div class="plots">${figures.join('\n')}</div></section>
<section><h2>Which wrong chunks does it see?</h2>
<p>AUROC: chance that a wrong chunk has a higher energy than an expert's, all contexts pooled. Win rate: the same within a context.
0.5 is blind, below 0.5 prefers the wrong one. Each kind is one table row; the swap kind uses all ${number(report.effective_negatives, 1)} negatives that a row kept on average${report.left_out > 0 ? ` (${report.left_out} near-duplicates left out)` : ''}.</p>
${table(['Kind', 'AUROC', 'Win rate', 'Mean energy', 'What was done'], negativeRows(report))}
${omitted === '' ? '' : `<p class="quiet">Not measured: ${escapeText(omitted)}.</p>`}</section>
<section><h2>Readout or logit</h2>
<p>The logit is the pooled raw value before the readout; it keeps its spread where the readout saturates. Loss of the readout less that of the logit:
${escapeText(figureText(report.scores.difference))} nats.</p>
${table(['Score', 'tau', 'InfoNCE loss', 'Top-1', 'ECE', 'Swap AUROC'], scoreRows(options))}</section>
<section class="pair"><div><h2>p-values of experts</h2>
<p>Share of held-out experts whose p-value lies at or below each level. Equal to the level: the p-value can be trusted.</p>
${table(['Level', 'Share', 'Verdict'], pValueRows(report))}</div>
<div><h2>Margins</h2>
<p>Chance: how far the lowest of a few noisy copies lies below the expert. Lead: how far the expert lies below its best swap negative. Quantiles.</p>
${table(['Quantile', 'Chance', 'Lead'], marginRows(options))}</div></section>
${doctorSection(options.findings)}
</main>
</body>
</html>
`;
}

function figureText({
  value,
  low,
  high,
}: {
  value: number | null;
  low: number | null;
  high: number | null;
}): string {
  return `${number(value, 4)} [${number(low, 4)}, ${number(high, 4)}]`;
}

function provenance({ weightsDigest, version, created, data, report }: PageOptions): string {
  const sources = data.sources.map(({ name, rows }) => `${name} (${rows} rows)`).join(', ');
  const split =
    data.split === undefined
      ? 'all rows reported on'
      : `${data.split.fit_rows} rows fitted, ${data.split.held_out_rows} held out, split by ${data.split.by} (${data.split.clusters})`;
  const facts = [
    ['Calibration', `${version}, ${created.slice(0, 16).replace('T', ' ')} UTC`],
    ['Weights', `sha256 ${weightsDigest.slice(0, 16)}`],
    ['Data', `${sources}; ${split}`],
    [
      'Intervals',
      `95 percent, by jackknife over ${report.clusters} clusters of ${report.rows} rows; Clopper-Pearson for shares`,
    ],
  ];
  return `<dl>${facts.map(([name, text]) => `<dt>${name}</dt><dd>${escapeText(text!)}</dd>`).join('')}</dl>`;
}

function doctorSection(findings: readonly Finding[] | undefined): string {
  if (findings === undefined || findings.length === 0) return '';
  const rows = findings.map(
    ({ probe, level, measured, means, act }) =>
      `<tr class="${level}"><td><span class="level">${level}</span></td><td>${escapeText(probe)}</td><td>${escapeText(measured)}</td><td>${escapeText([means, act].filter((text) => text !== '').join(' '))}</td></tr>`,
  );
  return `<section><h2>Doctor</h2><table class="doctor"><thead><tr><th></th><th>Probe</th><th>Measured</th><th>What it means, and what to do</th></tr></thead><tbody>${rows.join('')}</tbody></table></section>`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: 'td' | 'th', row: readonly string[]): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${cells('th', header)}</thead><tbody>${rows.map((row) => cells('td', row)).join('')}</tbody></table>`;
}

const STYLE = `
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 1040px; }
h1 { font-size: 1.65rem; margin: 0 0 .8rem; letter-spacing: -.01em; }
h2 { font-size: 1.12rem; margin: 2.2rem 0 .6rem; }
p { margin: .3rem 0 .8rem; max-width: 78ch; }
.quiet { color: #5a626d; font-size: .88rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; font-size: .9rem; color: #3b424b; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; font-variant-numeric: tabular-nums; border-top: 1.5px solid #1b1f24; border-bottom: 1.5px solid #1b1f24; }
th { text-align: left; font-weight: 600; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid #1b1f24; white-space: nowrap; }
td { padding: .24rem .9rem .24rem 0; vertical-align: top; }
tbody tr + tr td { border-top: 1px solid #eceef1; }
td:first-child { white-space: nowrap; }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 1.4rem 1.6rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2.4rem; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-size: .83rem; color: #3b424b; margin-top: .2rem; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #3b424b; }
svg text.title { font-size: 12px; fill: #1b1f24; }
.grid { stroke: #e6e9ed; } .axis { stroke: #6b7480; } .ideal { stroke: #8a8f98; stroke-dasharray: 5 4; }
.doctor td:nth-child(2) { white-space: nowrap; font-weight: 600; } .doctor td:nth-child(3) { width: 34%; }
.level { display: inline-block; min-width: 4.6em; text-align: center; border-radius: 3px; font-size: .78rem; padding: 0 .35em; background: #eceef1; }
.failure .level { background: #a32020; color: #fff; } .warning .level { background: #f2b84b; } .ok .level { background: #cfe9dc; }
@media (max-width: 760px) { .plots, .pair { grid-template-columns: 1fr; } table { display: block; overflow-x: auto; } }
@media print { body { padding: 0; max-width: none; font-size: 10pt; } h2 { break-after: avoid; } table, figure { break-inside: avoid; } @page { margin: 16mm; } }
`;
