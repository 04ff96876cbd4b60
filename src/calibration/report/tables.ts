/** The report's figures and tables as text, the same on the page and in the terminal, and the terminal's summary. */
import type { Report, ReportFigure } from './report-schema.js';
import type { Calibration } from '../calibration-schema.js';

export const MISSING = 'n/a';

export function number(value: number | null, digits = 3): string {
  if (value === null) return MISSING;
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toFixed(digits);
}

/** `0.812 [0.790, 0.833]` */
export function figure({ value, low, high }: ReportFigure, digits = 3): string {
  return value === null
    ? MISSING
    : `${number(value, digits)} [${number(low, digits)}, ${number(high, digits)}]`;
}

/** What the report needs to be told: a calibration, or the one under which new data were evaluated. */
export type Reported = Pick<Calibration, 'better' | 'scores' | 'report'>;

/** [figure, value with interval, how to read it] */
export type HeadlineRow = readonly [name: string, value: string, reading: string];

const STATUS = {
  fitted: 'the minimum of the InfoNCE loss',
  separable: 'every expert was lowest: the lower bound of the search, not a minimum',
  no_preference:
    'experts were no lower than others: the upper bound of the search; the model does not choose',
  constant: 'all scores equal: the tau of the card',
} as const;

export function headlineRows({ better, scores, report }: Reported): HeadlineRow[] {
  const { infonce, energy, reliability, noise } = report;
  const { tau, status, interval } = scores[better].temperature;
  return [
    [
      'score',
      better,
      better === 'logit'
        ? 'pooled raw value: loses less than the energy; all energies below are of this score'
        : "the model's energy, pooled after the readout; the logit is not clearly better",
    ],
    ['temperature', figure({ ...interval, value: tau }), STATUS[status]],
    [
      'InfoNCE loss',
      figure(infonce.after),
      `chance ${number(infonce.chance)}; log B ${number(infonce.log_batch)}`,
    ],
    ['InfoNCE loss before', figure(infonce.before), 'at the tau of the card'],
    ['top-1', figure(report.top1), `chance ${number(1 / (1 + report.effective_negatives))}`],
    ['top-5', figure(report.top5), `chance ${number(Math.min(1, 5 / (1 + report.effective_negatives)))}`],
    ['mean reciprocal rank', figure(report.mrr), '1: the expert is always lowest'],
    ['calibration error before', figure(reliability.ece_before), 'ECE at the tau of the card'],
    [
      'calibration error after',
      figure(reliability.ece_after),
      'ECE at the fitted tau; 0: probabilities hold',
    ],
    ['Positive_Energy', figure(energy.positive), `spread ${figure(energy.positive_spread)}`],
    ['Negative_Energy', figure(energy.negative), `spread ${figure(energy.negative_spread)}`],
    ['energy gap', figure(energy.gap), 'negative less positive; wanted above 0'],
    ['Spearman, energy and noise', figure(noise.spearman), '1: more noise, more energy'],
    ['monotonicity violations', figure(noise.violations), 'share of noise steps without a rise'],
    ['readout saturation', figure(report.saturation), 'share of per-step values where the readout is flat'],
    ['drift (PSI)', figure(report.psi), 'against the fitted experts; above 0.25 is a shift'],
  ];
}

/** [kind, AUROC, win rate, mean energy, what was done] */
export function negativeRows({ negatives }: Report): string[][] {
  return negatives.map(({ name, auroc, win_rate, energy, meaning }) => [
    name,
    figure(auroc),
    figure(win_rate),
    figure(energy),
    meaning,
  ]);
}

/** [score, tau, loss, top-1, ECE, swap AUROC] */
export function scoreRows({ better, report }: Reported): string[][] {
  return (['readout', 'logit'] as const).map((name) => {
    const { tau, loss, top1, ece, swap_auroc } = report.scores[name];
    const marked = name === better ? `${name} (chosen)` : name;
    return [marked, number(tau), figure(loss), figure(top1), figure(ece), figure(swap_auroc)];
  });
}

/** [p-value level, share of experts at or below it] */
export function pValueRows({ p_values }: Report): string[][] {
  return p_values.levels.map((level, i) => [String(level), figure(p_values.shares[i]!)]);
}

/** [quantile, chance drop, expert lead] */
export function marginRows({ better, scores }: Reported): string[][] {
  const { levels, chance, expert } = scores[better].margins;
  return levels.map((level, i) => [String(level), number(chance[i] ?? null), number(expert[i] ?? null)]);
}

/** Columns padded to their widest cell. */
function lines(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd());
}

export function summaryText(reported: Reported): string {
  const { report, better } = reported;
  const { rows, clusters, batch, effective_negatives: kept, left_out: leftOut } = report;
  return [
    `Reported on ${rows} rows in ${clusters} clusters, batches of ${batch}, ${kept.toFixed(1)} negatives a row` +
      `${leftOut > 0 ? ` (${leftOut} near-duplicates left out)` : ''}.`,
    `In brackets: 95 percent intervals, by cluster. Score: ${better}.`,
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
