/** The report as lines for a terminal. */
import { headlineRows, marginRows, negativeRows, scoreRows, type Reported } from './tables.js';

/** Columns padded to their widest cell. */
function lines(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd());
}

export function summaryText(reported: Reported): string {
  const { report, better } = reported;
  const { rows, clusters, batch, effective_negatives: kept, left_out: leftOut, replicates } = report;
  return [
    `Reported on ${rows} rows in ${clusters} clusters, batches of ${batch}, ${kept.toFixed(1)} negatives a row` +
      `${leftOut > 0 ? ` (${leftOut} near-duplicates left out)` : ''}.`,
    `In brackets: 95 percent intervals of ${replicates} bootstrap replicates. Score: ${better}.`,
    '',
    ...lines(headlineRows(reported)),
    '',
    'Wrong chunks (0.5: blind)',
    ...lines([['kind', 'AUROC', 'win rate', 'mean energy', ''], ...negativeRows(report)]),
    ...report.omitted.map(({ name, reason }) => `  ${name}: not measured, ${reason}`),
    '',
    'Readout or logit',
    ...lines([['score', 'tau', 'InfoNCE loss', 'top-1', 'ECE', 'swap AUROC'], ...scoreRows(reported)]),
    '',
    'Margins by quantile: of chance, of the expert',
    ...lines([['quantile', 'chance', 'expert'], ...marginRows(reported)]),
    '',
  ].join('\n');
}
