/** The report as one page that needs nothing else: styles and pictures inside, no scripts, opens offline, prints. */
import type { Calibration } from '../../calibration-schema.js';
import { VERDICT_TEXT } from '../../choice/verdict.js';
import type { Finding } from '../../doctor/finding.js';
import {
  choiceRemarks,
  controlTable,
  correlationTable,
  curveTable,
  fittedWarning,
  gateTable,
} from '../tables/choosing.js';
import { lossTable, negativeTable, omittedText, structureRemarks, structureTable } from '../tables/chunks.js';
import { keyFigures, marginTable, pValueTable, scoreTable, type Reported } from '../tables/key-figures.js';
import { tokenGroupRemark, tokenGroupTable } from '../tables/token-groups.js';
import { hardestTable, taskTable, timeTable, worstPickTable } from '../tables/rows.js';
import { listHtml, pictureHtml, tableHtml } from './elements.js';
import { pictures } from './pictures.js';
import { STYLE } from './style.js';
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

/** Rows of a table that may be long; the page stays within its six printed pages. */
const MOST_ROWS = 12;

/** Self-contained HTML. Every text from outside is escaped. */
export function renderPage(options: PageOptions): string {
  const { model } = options;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Calibration of ${escapeText(model)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>Calibration of ${escapeText(model)}</h1>
${verdictHtml(options)}
${provenance(options)}</header>
<main>
${sections(options).join('\n')}
</main>
</body>
</html>
`;
}

function sections(options: PageOptions): string[] {
  const { report, findings } = options;
  const { choice, token_groups: groups } = report;
  const all = pictures(options).map((picture, i) => ({
    name: picture.name,
    html: pictureHtml(picture, i + 1),
  }));
  const picture = (name: string): string => all.find((each) => each.name === name)?.html ?? '';
  const omitted = omittedText(report);
  return [
    choice === null
      ? ''
      : section(
          'May it choose?',
          tableHtml(controlTable(choice)),
          pair(
            picture('control'),
            `${tableHtml(correlationTable(choice))}${listHtml(choiceRemarks(choice))}`,
          ),
          tableHtml(curveTable(choice)),
          choice.gates.length === 0 ? '' : tableHtml(gateTable(choice)),
        ),
    section('Is it calibrated?', tableHtml(keyFigures(options))),
    section(
      'Where does it fail?',
      ...[taskTable(report), timeTable(report), hardestTable(report), worstPickTable(report)]
        .filter(({ rows }) => rows.length > 0)
        .map((table) => tableHtml(table, MOST_ROWS)),
    ),
    section(
      'What does it see?',
      tableHtml(negativeTable(report)),
      omitted === '' ? '' : `<p class="quiet">Not measured: ${escapeText(omitted)}.</p>`,
      tableHtml(lossTable(report)),
      tableHtml(structureTable(report)),
      listHtml(structureRemarks(report)),
      ...(groups === null ? [] : [tableHtml(tokenGroupTable(groups)), listHtml([tokenGroupRemark(groups)])]),
    ),
    section(
      'Pictures',
      `<div class="plots">${all
        .filter(({ name }) => name !== 'control')
        .map(({ html }) => html)
        .join('\n')}</div>`,
    ),
    section(
      'Scores, p-values, margins',
      tableHtml(scoreTable(options)),
      pair(tableHtml(pValueTable(report)), tableHtml(marginTable(options))),
    ),
    doctorSection(findings),
  ];
}

function section(title: string, ...parts: readonly string[]): string {
  return `<section><h2>${escapeText(title)}</h2>\n${parts.join('\n')}</section>`;
}

function pair(left: string, right: string): string {
  return `<div class="pair"><div>${left}</div><div>${right}</div></div>`;
}

/** The line above all others, its reasons, and what to set in the service. */
function verdictHtml({ report, choice, better }: PageOptions): string {
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

/** What is wrong or worth knowing as rows; what is sound by name. */
function doctorSection(findings: readonly Finding[] | undefined): string {
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
