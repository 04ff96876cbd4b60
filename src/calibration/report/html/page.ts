/** The report as one page that needs nothing else: styles and pictures inside, no scripts, opens offline, prints. */
import { VERDICT_TEXT } from '../../choice/verdict.js';
import type { Finding } from '../../doctor/probe.js';
import type { Comparison } from '../comparison.js';
import { number, cellText, isFigure, type Cell, type Table } from '../figure.js';
import type { NamedReport } from '../reported.js';
import { choiceRemarks, fittedWarning } from '../tables/choosing.js';
import { omittedText, structureRemarks, tokenGroupRemark } from '../tables/chunks.js';
import { comparisonRemarks, comparisonTable, winner } from '../tables/comparison-table.js';
import { reportTables } from '../tables/report-tables.js';
import { pictures, type Picture } from './pictures.js';
import { STYLE } from './style.js';
import { escapeText } from './svg.js';

/** Rows that are shown of tables that may be long, so that the page prints on six sheets. */
const MOST_ROWS: Readonly<Record<string, number>> = {
  comparison: 10,
  'by-task': 10,
  'hardest-rows': 8,
  'worst-picks': 8,
};

/** Self-contained HTML. Every text from outside is escaped. */
export function renderPage(named: NamedReport): string {
  const { comparison } = named;
  const title = escapeText(
    comparison === undefined
      ? `Calibration of ${named.model}`
      : `${comparison.a.model} against ${comparison.b.model}`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${title}</h1>
${comparison === undefined ? '' : comparisonHtml(comparison)}
${verdictHtml(named)}
${factsHtml(named)}</header>
<main>
${sections(named)
  .filter((section) => section !== '')
  .join('\n')}
</main>
</body>
</html>
`;
}

function sections(named: NamedReport): string[] {
  const { report, findings } = named;
  const drawn = new Map(
    pictures(named).map((picture, i) => [picture.name, pictureHtml(picture, i + 1)] as const),
  );
  const tables = new Map(
    reportTables(named).map((each) => [each.name, tableHtml(each, MOST_ROWS[each.name])]),
  );
  const table = (...names: readonly string[]): string =>
    names.map((name) => tables.get(name) ?? '').join('\n');
  const plots = (...names: readonly string[]): string =>
    `<div class="plots">${names.map((name) => drawn.get(name) ?? '').join('\n')}</div>`;
  const omitted = omittedText(report);
  return [
    report.choice === null
      ? ''
      : section(
          'May it choose?',
          pair(
            drawn.get('control')!,
            `${table('rank-correlation')}${listHtml(choiceRemarks(report.choice))}`,
          ),
          // beside a comparison the picture is enough, so that the page prints on six sheets
          named.comparison === undefined
            ? table('control', 'control-by-candidates', 'gates')
            : table('control', 'gates'),
        ),
    section(
      'Is it calibrated?',
      table('key-figures'),
      plots('reliability', 'energies'),
      tables.has('int8')
        ? pair(table('p-values', 'margins'), table('int8'))
        : pair(table('p-values'), table('margins')),
      table('scores'),
    ),
    section('Where does it fail?', table('by-task', 'by-time', 'hardest-rows', 'worst-picks')),
    section(
      'What does it see?',
      table('wrong-chunks'),
      omitted === '' ? '' : `<p class="quiet">Not measured: ${escapeText(omitted)}.</p>`,
      plots('noise', 'steps'),
      table('losses', 'off-diagonal'),
      listHtml(structureRemarks(report)),
      table('token-groups'),
      report.token_groups === null ? '' : listHtml([tokenGroupRemark(report.token_groups)]),
      plots('matrix', 'landscape'),
    ),
    doctorHtml(findings),
    section('Appendix', table('provenance')),
  ];
}

function section(title: string, ...parts: readonly string[]): string {
  return `<section><h2>${escapeText(title)}</h2>\n${parts.join('\n')}</section>`;
}

function pair(left: string, right: string): string {
  return `<div class="pair"><div>${left}</div><div>${right}</div></div>`;
}

/** The looks of a verdict: A is better, nothing is shown, B is. */
const LOOKS = { A: 'may_choose', none: 'may_choose_behind_gate', B: 'must_not_choose' } as const;

/** Which of the two is better; what follows on the page is of A. */
function comparisonHtml(comparison: Comparison): string {
  const [decides, ...about] = comparisonRemarks(comparison);
  const looks = LOOKS[winner(comparison.figures[0]!) ?? 'none'];
  return `<div class="verdict ${looks}"><b>${escapeText(decides!)}</b>${listHtml(about)}</div>
${tableHtml(comparisonTable(comparison), MOST_ROWS['comparison'])}
<h2>A alone</h2>`;
}

/** The line above all others, its reasons, and what to set in the service. */
function verdictHtml({ report, choice, better }: NamedReport): string {
  const { verdict, reasons } = report.verdict;
  const gate = choice?.gates[better];
  const asked =
    gate && verdict !== 'must_not_choose'
      ? [
          `Gate: margin ${gate.margin.toFixed(4)} on the ${better}, harm at most ${gate.alpha} with ${1 - gate.delta} confidence. Candidates to use: at most ${gate.candidates}.`,
        ]
      : [];
  const best =
    choice?.best == null ? [] : [`AUTO of SelectAction takes ${choice.best.rule}: ${choice.best.finding}.`];
  const warnings = fittedWarning(report).map((text) => `<p class="warning-line">${escapeText(text)}</p>`);
  return `<div class="verdict ${verdict}"><b>This model ${VERDICT_TEXT[verdict]}.</b>${listHtml([...reasons, ...asked, ...best])}</div>\n${warnings.join('')}`;
}

/** In short; the appendix has it whole. */
function factsHtml({ weightsDigest, version, created, data, report, environment }: NamedReport): string {
  const sources = data.sources.map(({ name, rows }) => `${name} (${rows} rows)`).join(', ');
  const facts = [
    [
      'Calibration',
      version === null || created === null
        ? 'fitted on the other half of the data, for this report alone'
        : `${version}, ${created.slice(0, 16).replace('T', ' ')} UTC`,
    ],
    ['Weights', `sha256 ${weightsDigest.slice(0, 16)}`],
    ['Data', sources],
    [
      'Reported on',
      `${report.rows} rows in ${report.clusters} clusters, ${data.split === null ? 'all of the data' : `held out by ${data.split.by}`}; in brackets 95 percent intervals`,
    ],
    [
      'Computed',
      `${environment.provider}, ${environment.precision}, action-energy ${environment.action_energy}`,
    ],
  ];
  return `<dl>${facts.map(([name, text]) => `<dt>${name}</dt><dd>${escapeText(text!)}</dd>`).join('')}</dl>`;
}

/** What is wrong or worth knowing as rows; what is sound by name. */
function doctorHtml(findings: readonly Finding[] | undefined): string {
  if (findings === undefined || findings.length === 0) return '';
  const told = findings.filter(({ level }) => level !== 'ok');
  const sound = findings.filter(({ level }) => level === 'ok').map(({ probe }) => probe);
  const rows = told.map(
    ({ probe, level, measured, means, act }) =>
      `<tr class="${level}"><td>${escapeText(probe)}</td><td data-label="level"><span class="level">${level}</span></td><td data-label="measured">${escapeText(measured)}</td><td data-label="meaning">${escapeText([means, act].filter((text) => text !== '').join(' '))}</td></tr>`,
  );
  return section(
    'Doctor',
    rows.length === 0
      ? ''
      : `<table class="doctor cards"><thead><tr><th>probe</th><th>level</th><th>measured</th><th>what it means, and what to do</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
    sound.length === 0 ? '' : `<p class="quiet">Sound: ${escapeText(sound.join(', '))}.</p>`,
  );
}

/** Tables of more become a card a row where the screen is narrow. */
const FEW_COLUMNS = 3;
/** Tables of more have their intervals below the values. */
const MANY_COLUMNS = 5;

/** With a title of its own and its note. `most`: rows that are shown, the others counted. */
export function tableHtml({ title, note, columns, rows }: Table, most = Infinity): string {
  const shown = rows.slice(0, most);
  const body = shown.map(
    (row) =>
      `<tr>${row.map((cell, i) => `<td data-label="${escapeText(columns[i]!)}">${cellHtml(cell)}</td>`).join('')}</tr>`,
  );
  const left = rows.length - shown.length;
  return [
    `<h3>${escapeText(title)}</h3>`,
    note === '' ? '' : `<p class="note">${escapeText(note)}</p>`,
    `<table${columns.length > FEW_COLUMNS ? ` class="cards${columns.length > MANY_COLUMNS ? ' stacked' : ''}"` : ''}><thead><tr>${columns.map((column) => `<th>${escapeText(column)}</th>`).join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`,
    left > 0 ? `<p class="quiet">${left} more rows: in the JSON, and in the files of --figures.</p>` : '',
  ].join('\n');
}

function cellHtml(cell: Cell): string {
  if (!isFigure(cell) || cell.value === null || cell.low === null) return escapeText(cellText(cell));
  return `<span>${number(cell.value)} <span class="ci">[${number(cell.low)}, ${number(cell.high)}]</span></span>`;
}

export function pictureHtml({ svg, caption }: Picture, place: number): string {
  return `<figure>${svg}<figcaption><b>Figure ${place}.</b> ${escapeText(caption)}</figcaption></figure>`;
}

export function listHtml(sentences: readonly string[]): string {
  return `<ul>${sentences.map((sentence) => `<li>${escapeText(sentence)}</li>`).join('')}</ul>`;
}
