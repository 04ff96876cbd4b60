/** The report in the terminal: the verdict, then what the page says, without its pictures. */
import type { Report } from './report-schema.js';
import type { Reported } from './reported.js';
import { tableLines, type Table } from './figure.js';
import { choiceRemarks, controlTable, correlationTable, gateTable, verdictLines } from './tables/choosing.js';
import { negativeTable, tokenGroupRemark, tokenGroupTable } from './tables/chunks.js';
import { keyFigures, marginTable, pValueTable, scoreTable } from './tables/key-figures.js';

export function summaryText(reported: Reported): string {
  const { report, better } = reported;
  const { rows, clusters, batch, effective_negatives: kept, left_out: leftOut, choice } = report;
  return [
    ...verdictLines(report),
    '',
    `Reported on ${rows} rows in ${clusters} clusters, batches of ${batch}, ${kept.toFixed(1)} negatives a row` +
      `${leftOut > 0 ? ` (${leftOut} near-duplicates left out)` : ''}.`,
    `In brackets: 95 percent intervals, by cluster. Score: ${better}.`,
    '',
    ...tableLines(keyFigures(reported)),
    '',
    ...choiceLines(choice),
    ...tokenGroupLines(report),
    'Wrong chunks (0.5: blind)',
    ...tableLines(negativeTable(report)),
    ...report.omitted.map(({ name, reason }) => `  ${name}: not measured, ${reason}`),
    '',
    ...titled(scoreTable(reported)),
    ...titled({ ...pValueTable(report), title: 'p-values of experts: share at or below each level' }),
    ...titled({ ...marginTable(reported), title: 'Margins by quantile: of chance, of the expert' }),
  ].join('\n');
}

function choiceLines(choice: Report['choice']): string[] {
  if (choice === null) return [];
  const control = controlTable(choice);
  return [
    `${control.title}; lower is better`,
    ...tableLines(control),
    ...choiceRemarks(choice).map((line) => `  ${line}`),
    '',
    ...titled(correlationTable(choice)),
    ...(choice.gates.length === 0
      ? []
      : titled({
          ...gateTable(choice),
          title: "Gates: the pick is executed where it lies the margin below the policy's own",
        })),
  ];
}

function tokenGroupLines({ token_groups: groups }: Report): string[] {
  if (groups === null) return [];
  const { title, ...table } = tokenGroupTable(groups);
  return [title, ...tableLines(table), `  ${tokenGroupRemark(groups)}`, ''];
}

function titled(table: Table): string[] {
  return [table.title, ...tableLines(table), ''];
}
