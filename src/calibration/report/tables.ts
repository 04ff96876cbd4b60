/** The report's figures and tables as text, the same on the page and in the terminal, and the terminal's summary. */
import { VERDICT_TEXT } from '../choice/verdict.js';
import { figure, isAboveZero, number } from './figure.js';
import type { Report } from './report-schema.js';
import type { Calibration } from '../calibration-schema.js';

/** What the report needs to be told: a calibration, or the one under which new data were evaluated. */
export type Reported = Pick<Calibration, 'better' | 'scores' | 'report'>;

/** [figure, value with interval, how to read it] */
export type HeadlineRow = readonly [name: string, value: string, reading: string];

const STATUS = {
  fitted: 'the minimum of the InfoNCE loss',
  separable: 'every expert was lowest: the lower bound of the search, not a minimum',
  no_preference: 'experts were no lower than others beyond the interval: the model does not choose',
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

/** [p-value level, share of experts at or below it, verdict] */
export function pValueRows({ p_values }: Report): string[][] {
  return p_values.levels.map((level, i) => {
    const { low, high } = p_values.shares[i]!;
    const verdict =
      low === null || high === null
        ? 'not measured'
        : low > level
          ? 'too many: experts are called unlike experts'
          : high < level
            ? 'too few: it lets more pass than it says'
            : 'holds';
    return [String(level), figure(p_values.shares[i]!), verdict];
  });
}

/** Verdict, then its reasons. */
export function verdictLines({
  verdict: { verdict, reasons },
  fitted_before: again,
  rows,
}: Report): string[] {
  const seen =
    again === 0
      ? []
      : [`${again} of the ${rows} rows were fitted on: every figure flatters. Evaluate on other episodes.`];
  return [`Verdict: ${VERDICT_TEXT[verdict]}`, ...seen, ...reasons];
}

const RULE_NAMES: Readonly<Record<string, string>> = {
  random: 'a random one',
  first: "the policy's first",
  readout: 'lowest energy (readout)',
  logit: 'lowest energy (logit)',
  p_value: 'highest p-value',
  corrected: 'prior-corrected, log p(a) - E/tau',
  consensus: 'consensus (medoid)',
  consensus_mean: 'consensus (mean)',
  energy_mean: 'energy-weighted mean',
  consensus_of_best: 'consensus of the best quarter',
  gated: 'lowest energy behind its gate',
  gated_energy_mean: 'energy-weighted mean behind its gate',
  gated_consensus_of_best: 'consensus of the best behind its gate',
  oracle: 'oracle',
};

export function ruleName(rule: string): string {
  return RULE_NAMES[rule] ?? rule;
}

/** [pick, cost, saved over random, over the policy's first, over the consensus, regret recovered]; averages of unknown cost are left out. */
export function choiceRows({ choice }: Report): string[][] {
  return (choice?.curves ?? []).flatMap(({ rule, costs }) => {
    const cost = costs.at(-1)!;
    if (cost.value === null) return [];
    const gain = choice!.gains.find((each) => each.rule === rule);
    const cells = gain && [gain.over_random, gain.over_first, gain.over_consensus, gain.regret_recovered];
    return [[ruleName(rule), figure(cost), ...(cells?.map((cell) => figure(cell)) ?? ['', '', '', ''])]];
  });
}

/** [score, margin, candidates, coverage, harm, harm in the worst task, saved] */
export function gateRows({ choice }: Report): string[][] {
  return (choice?.gates ?? []).map((gate) => [
    gate.score,
    number(gate.margin, 4),
    `at most ${gate.candidates}`,
    figure(gate.coverage),
    figure(gate.harm),
    gate.worst_task === null
      ? ''
      : `${figure(gate.worst_task.harm)} (task ${gate.worst_task.task}, ${gate.worst_task.rows} rows)`,
    figure(gate.gain),
  ]);
}

/** Sentences on the order that energies give, and what the readout and the prior do to it. */
export function choiceRemarks({ choice }: Report): string[] {
  if (choice === null) return [];
  const correlations = choice.rank_correlation
    .map(({ score, value }) => `${score} ${figure(value)}`)
    .join(', ');
  const { corrected_gain: corrected, readout_loss: lost } = choice;
  const order = isAboveZero(lost)
    ? `The readout loses order: its pick costs ${figure(lost)} more than the logit's.`
    : lost.high !== null && lost.high < 0
      ? `The readout's pick costs less than the logit's: difference ${figure(lost)}.`
      : `Readout and logit choose alike within the interval: difference ${figure(lost)}.`;
  const prior =
    corrected === null
      ? []
      : [
          isAboveZero(corrected)
            ? `Correcting for the prior is better: it saves ${figure(corrected)}.`
            : `Correcting for the prior is not shown to be better: it saves ${figure(corrected)}.`,
        ];
  return [
    `Rank correlation of score and cost inside a context: ${correlations}. ${(100 * (choice.decisive.value ?? 0)).toFixed(0)} percent of the contexts have candidates of different cost.`,
    order,
    ...prior,
  ];
}

export const CHOICE_HEADER = [
  'pick',
  'cost',
  'saved over random',
  "over the policy's first",
  'over the consensus',
  'regret recovered',
];
export const GATE_HEADER = ['score', 'margin', 'candidates', 'coverage', 'harm', 'worst task', 'saved'];

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
  const { choice } = report;
  return [
    ...verdictLines(report),
    '',
    `Reported on ${rows} rows in ${clusters} clusters, batches of ${batch}, ${kept.toFixed(1)} negatives a row` +
      `${leftOut > 0 ? ` (${leftOut} near-duplicates left out)` : ''}.`,
    `In brackets: 95 percent intervals, by cluster. Score: ${better}.`,
    '',
    ...lines(headlineRows(reported)),
    '',
    ...(choice === null
      ? []
      : [
          `Choosing among ${choice.candidates} candidates, by ${choice.cost === 'given' ? 'their costs' : "their distance to the expert's chunk"} (lower is better)`,
          ...lines([CHOICE_HEADER, ...choiceRows(report)]),
          ...choiceRemarks(report).map((line) => `  ${line}`),
          '',
          ...(choice.gates.length === 0
            ? []
            : [
                "Gates: the pick is executed where it lies the margin below the policy's own",
                ...lines([GATE_HEADER, ...gateRows(report)]),
                '',
              ]),
        ]),
    'Wrong chunks (0.5: blind)',
    ...lines([['kind', 'AUROC', 'win rate', 'mean energy', ''], ...negativeRows(report)]),
    ...report.omitted.map(({ name, reason }) => `  ${name}: not measured, ${reason}`),
    '',
    'Readout or logit',
    ...lines([['score', 'tau', 'InfoNCE loss', 'top-1', 'ECE', 'swap AUROC'], ...scoreRows(reported)]),
    '',
    'p-values of experts: share at or below each level',
    ...lines([['level', 'share', ''], ...pValueRows(report)]),
    '',
    'Margins by quantile: of chance, of the expert',
    ...lines([['quantile', 'chance', 'expert'], ...marginRows(reported)]),
    '',
  ].join('\n');
}
