/**
 * May this model choose among its policy's samples? A table of rules, tried in order; the first that applies is the verdict.
 * Everything is judged on rows that were not fitted on, by what the choice costs inside one context. Documented in
 * docs/calibration.md.
 */
import type { Score } from '../../model/energy.js';
import { figure, isAboveZero, number, type ReportFigure } from '../report/figure.js';
import type { ChoiceFit, ChoiceReport, Verdict } from './choice-schema.js';

export interface Evidence {
  readonly better: Score;
  /** Undefined: the data hold no `candidates`. */
  readonly choice: ChoiceReport | undefined;
  readonly gates: ChoiceFit['gates'];
  /** What the context tells about the chunk: chance less loss, nats a row. */
  readonly preference: ReportFigure;
}

interface Rule {
  readonly verdict: Verdict['verdict'];
  readonly applies: (evidence: Evidence) => boolean;
  readonly reason: (evidence: Evidence) => string;
}

function gainOf({ better, choice }: Evidence): ChoiceReport['gains'][number] | undefined {
  return choice?.gains.find(({ rule }) => rule === better);
}

function gated({ better, choice }: Evidence): ChoiceReport['gates'][number] | undefined {
  return choice?.gates.find(({ score }) => score === better);
}

export const RULES: readonly Rule[] = [
  {
    verdict: 'must_not_choose',
    applies: ({ choice }) => choice === undefined,
    reason: () =>
      "Not judged: the data hold no `candidates`, so nobody knows whether its choice among the policy's own samples beats chance.",
  },
  {
    verdict: 'must_not_choose',
    applies: ({ choice }) => choice!.candidates < 2 || choice!.decisive.value === 0,
    reason: ({ choice }) =>
      choice!.candidates < 2
        ? 'Not judged: the data hold one candidate a context.'
        : 'Not judged: the candidates of each context cost the same.',
  },
  {
    // behind a gate with fewer candidates it may still gain, so a loss with all of them alone is no verdict
    verdict: 'must_not_choose',
    applies: (evidence) => gated(evidence) === undefined && !isAboveZero(gainOf(evidence)!.over_random),
    reason: (evidence) =>
      `No preference: what its pick saves over a random one, ${text(gainOf(evidence)!.over_random)}, is not above 0 beyond its interval.`,
  },
  {
    verdict: 'must_not_choose',
    applies: (evidence) => gated(evidence) === undefined,
    reason: ({ choice }) =>
      `No gate: no margin is shown to keep picks that are worse than the policy's own below the bound and to gain something, with ${choice!.rows} rows reported on and as many fitted.`,
  },
  {
    verdict: 'must_not_choose',
    applies: (evidence) => !isAboveZero(gated(evidence)!.gain),
    reason: (evidence) =>
      `No preference: behind its gate it saves ${text(gated(evidence)!.gain)} over the policy's own chunk, which is not above 0 beyond its interval.`,
  },
  {
    verdict: 'must_not_choose',
    applies: (evidence) => {
      const { harm } = gated(evidence)!;
      return harm.low !== null && harm.low > evidence.gates[evidence.better]!.alpha;
    },
    reason: (evidence) =>
      `The gate does not hold: on new rows ${percent(gated(evidence)!.harm)} of the picks are worse than the policy's own chunk.`,
  },
  {
    verdict: 'may_choose',
    applies: ({ better, gates, choice }) =>
      gates[better]!.open && gates[better]!.candidates >= choice!.candidates,
    reason: (evidence) =>
      `Without any margin its picks are worse than the policy's own chunk in ${percent(gated(evidence)!.harm)} of the rows, and it saves ${text(gated(evidence)!.gain)}.`,
  },
  {
    verdict: 'may_choose_behind_gate',
    applies: () => true,
    reason: (evidence) => {
      const { margin, candidates, coverage, harm, gain } = gated(evidence)!;
      return `Behind a margin of ${number(margin, 4)} and with at most ${candidates} candidates it chooses in ${percent(coverage)} of the rows, is worse than the policy's own chunk in ${percent(harm)}, and saves ${text(gain)}.`;
    },
  },
];

export function judge(evidence: Evidence): Verdict {
  const rule = RULES.find(({ applies }) => applies(evidence))!;
  return { verdict: rule.verdict, reasons: [rule.reason(evidence), ...remarks(evidence)] };
}

/** What else a person should know before trusting the choice; none of these changes the verdict. */
function remarks(evidence: Evidence): string[] {
  const { choice, preference, better, gates } = evidence;
  const remarks: string[] = [];
  if (!isAboveZero(preference)) {
    remarks.push(
      `No preference: the context tells ${text(preference)} nats about the expert's chunk, not above 0 beyond the interval.`,
    );
  }
  const own = gainOf(evidence);
  if (choice === undefined || own === undefined) return remarks;
  remarks.push(
    choice.cost === 'given'
      ? 'Judged by the costs in the data.'
      : "Judged by the distance to the expert's chunk, which stands in for the costs that the data do not hold.",
  );
  if (isAboveZero(own.over_random)) {
    remarks.push(
      `With ${choice.candidates} candidates its pick saves ${text(own.over_random)} over a random one, ${percent(own.regret_recovered)} of what an oracle would.`,
    );
  }
  remarks.push(
    isAboveZero(own.over_consensus)
      ? `It beats the consensus of the same candidates by ${text(own.over_consensus)}.`
      : `It does not beat the consensus of the same candidates, which needs no model: ${text(own.over_consensus)}.`,
  );
  if (isAboveZero(choice.peak.loss_at_most)) {
    remarks.push(
      `More candidates hurt: its pick is best with ${choice.peak.candidates}; with ${choice.candidates} it costs ${text(choice.peak.loss_at_most)} more.`,
    );
  }
  const uncertified = gates[better]?.uncertifiedTasks ?? [];
  if (uncertified.length > 0) {
    remarks.push(
      `Too few rows to bound the harm of ${uncertified.length === 1 ? 'task' : 'tasks'} ${uncertified.slice(0, 10).join(', ')}${uncertified.length > 10 ? ', ...' : ''} alone.`,
    );
  }
  return remarks;
}

function text(value: ReportFigure): string {
  return figure(value, 3);
}

function percent({ value, low, high }: ReportFigure): string {
  const part = (share: number | null): string => (share === null ? 'n/a' : (100 * share).toFixed(1));
  return `${part(value)} percent [${part(low)}, ${part(high)}]`;
}

/** For one line: `may choose behind its gate`. */
export const VERDICT_TEXT: Readonly<Record<Verdict['verdict'], string>> = {
  may_choose: 'may choose',
  may_choose_behind_gate: 'may choose behind its gate',
  must_not_choose: 'must not choose',
};
