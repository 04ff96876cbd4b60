/** Tables of choosing among the policy's samples: the control, its curve over N, rank correlation, gates; and the verdict. */
import type { ChoiceReport } from '../../choice/choice-schema.js';
import { VERDICT_TEXT } from '../../choice/verdict.js';
import { figure, isAboveZero, type ReportFigure, type Table } from '../figure.js';
import type { Report } from '../report-schema.js';

/** Verdict, a word on rows that were fitted on, then the reasons. */
export function verdictLines({ verdict: { verdict, reasons }, ...report }: Report): string[] {
  return [`Verdict: ${VERDICT_TEXT[verdict]}`, ...fittedWarning(report), ...reasons];
}

/** One sentence where reported rows were fitted on, none otherwise. */
export function fittedWarning({
  fitted_before: again,
  rows,
}: Pick<Report, 'fitted_before' | 'rows'>): string[] {
  return again === 0
    ? []
    : [`${again} of the ${rows} rows were fitted on: every figure flatters. Evaluate on other episodes.`];
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
  gated_corrected: 'prior-corrected behind its gate',
  gated_energy_mean: 'energy-weighted mean behind its gate',
  gated_consensus_of_best: 'consensus of the best behind its gate',
  oracle: 'oracle',
};

export function ruleName(rule: string): string {
  return RULE_NAMES[rule] ?? rule;
}

/** What the costs are, in words. */
export function costName({ cost }: ChoiceReport): string {
  return cost === 'given' ? 'cost in the data' : "distance to the expert's chunk";
}

export function controlTable(choice: ChoiceReport): Table {
  return {
    name: 'control',
    title: `Choosing among ${choice.candidates} candidates`,
    note: `By ${costName(choice)}, lower is better; paired by context on ${choice.rows} rows. Saved: above 0 the pick is better than what it is compared with. Regret recovered: 0 a random pick, 1 the oracle.`,
    columns: [
      'pick',
      'cost',
      'saved over random',
      "over the policy's first",
      'over the consensus',
      'regret recovered',
    ],
    rows: choice.curves.map(({ rule, costs }) => {
      const gain = choice.gains.find((each) => each.rule === rule);
      const cells = gain && [gain.over_random, gain.over_first, gain.over_consensus, gain.regret_recovered];
      return [ruleName(rule), costs.at(-1)!, ...(cells ?? ['', '', '', ''])];
    }),
  };
}

/** A row a rule, a column a number of candidates. */
export function curveTable(choice: ChoiceReport): Table {
  return {
    name: 'control-by-candidates',
    title: 'Cost by number of candidates',
    note: `Expected cost of the pick among N of the ${choice.candidates} candidates, every choice of N equally likely.`,
    columns: ['pick', ...choice.levels.map((n) => `N = ${n}`)],
    rows: choice.curves.map(({ rule, costs }) => [ruleName(rule), ...costs]),
  };
}

export function correlationTable({ rank_correlation: correlations }: ChoiceReport): Table {
  return {
    name: 'rank-correlation',
    title: 'Rank correlation with cost inside a context',
    note: "Spearman's, mean over the contexts whose candidates differ in cost: 1 orders them as their costs do, 0 by chance.",
    columns: ['score', 'correlation'],
    rows: correlations.map(({ score, value }) => [ruleName(score), value]),
  };
}

export function gateTable(choice: ChoiceReport): Table {
  return {
    name: 'gates',
    title: 'Gates',
    note: "The pick is executed where its score lies the margin below the policy's own. Harm: executed, and worse.",
    columns: ['score', 'margin', 'candidates', 'coverage', 'harm', 'harm in the worst task', 'saved'],
    rows: choice.gates.map((gate) => [
      gate.score,
      gate.margin.toFixed(4),
      `at most ${gate.candidates}`,
      gate.coverage,
      gate.harm,
      gate.worst_task === null
        ? ''
        : `${figure(gate.worst_task.harm)} (task ${gate.worst_task.task}, ${gate.worst_task.rows} rows)`,
      gate.gain,
    ]),
  };
}

/** Sentences on what readout and prior do to the order. */
export function choiceRemarks({
  corrected_gain: corrected,
  readout_loss: lost,
  decisive,
  peak,
  candidates,
}: ChoiceReport): string[] {
  const order = isAboveZero(lost)
    ? `The readout loses order: its pick costs ${figure(lost)} more than the logit's.`
    : isBelowZero(lost)
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
  const most =
    peak.candidates === candidates
      ? `Its pick is best with all ${candidates} candidates.`
      : `Its pick is best with ${peak.candidates} candidates; all ${candidates} cost ${figure(peak.loss_at_most)} more${isAboveZero(peak.loss_at_most) ? '' : ', within the interval'}.`;
  return [
    most,
    order,
    ...prior,
    `${(100 * (decisive.value ?? 0)).toFixed(0)} percent of the contexts have candidates of different cost.`,
  ];
}

function isBelowZero({ high }: ReportFigure): boolean {
  return high !== null && high < 0;
}
