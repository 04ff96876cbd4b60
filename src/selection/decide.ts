/**
 * From a rule to a decision: what a calibration lets the model do comes before the rule, the gate after it. Whatever stands
 * in the way leads to the baseline, and the decision says what it was.
 */
import { oneHot, type Samples } from './average.js';
import { chunkOf } from './candidates.js';
import { applyRule, lowest, needsEnergies, type Choice, type Rule } from './rules.js';

/** Why the baseline is executed in place of what the rule would choose. */
export type Fallback =
  | 'deadline'
  | 'overload'
  | 'engine'
  | 'not_calibrated'
  | 'must_not_choose'
  | 'gate_closed'
  | 'gate_refused'
  | 'control';

/** What a calibration says of choosing with one score. */
export interface Terms {
  /** Of the calibration. */
  readonly version: string;
  readonly mayChoose: boolean;
  /** Undefined: the calibration holds none. */
  readonly gate:
    | {
        /** How far the lowest energy must lie below the baseline's. */
        readonly margin: number;
        /** The chance of harm that it is good for. */
        readonly bound: number;
      }
    | undefined;
  /** The rule that was best on held-out episodes, with the finding in words; undefined: none was better than the baseline. */
  readonly best: { readonly rule: Rule; readonly finding: string } | undefined;
}

export interface Asked {
  readonly rule: Rule | 'auto';
  /** An energy rule without gate, whatever the calibration says. */
  readonly ungated: boolean;
}

/** Why there are no energies. */
export interface Without {
  readonly without: 'deadline' | 'overload' | 'engine';
  /** What is known beyond that, for the reason. */
  readonly detail?: string;
}

/** What is going to be done, before there are energies. */
export type Plan =
  | {
      readonly kind: 'baseline';
      readonly rule: Rule | 'auto';
      readonly fallback: Fallback;
      readonly why: string;
    }
  | {
      readonly kind: 'rule';
      readonly rule: Rule;
      /** Undefined: no gate to ask. */
      readonly margin: number | undefined;
      /** Why this rule, where nobody asked for it. */
      readonly why: string;
    };

export interface GateAnswer {
  readonly accepted: boolean;
  readonly wanted: number;
  readonly found: number;
}

export interface Decision extends Omit<Choice, 'origin'> {
  readonly origin: Choice['origin'] | 'baseline';
  readonly rule: Rule | 'auto';
  readonly fallback: Fallback | undefined;
  readonly gate: GateAnswer | undefined;
  /** One sentence. */
  readonly reason: string;
}

/** @param terms undefined: no calibration in force. `gateOpen`: not closed by reported outcomes. */
export function plan({ rule, ungated }: Asked, terms: Terms | undefined, gateOpen: boolean): Plan {
  const chosen = rule === 'auto' ? terms?.best?.rule : rule;
  const why = rule === 'auto' && terms?.best !== undefined ? `auto: ${terms.best.finding}; ` : '';
  if (chosen !== undefined && (ungated || !needsEnergies(chosen))) {
    return { kind: 'rule', rule: chosen, margin: undefined, why };
  }
  const baseline = (fallback: Fallback, text: string): Plan => ({
    kind: 'baseline',
    rule: chosen ?? rule,
    fallback,
    why: `the baseline: ${text}`,
  });
  if (terms === undefined) return baseline('not_calibrated', 'the model has no calibration in force');
  if (!terms.mayChoose) return baseline('must_not_choose', 'by its calibration this model must not choose');
  if (chosen === undefined) {
    return baseline('not_calibrated', 'the calibration found no rule that is better than it');
  }
  if (terms.gate === undefined) return baseline('not_calibrated', 'the calibration holds no gate');
  if (!gateOpen) return baseline('gate_closed', "reported outcomes have refuted the gate's bound");
  return { kind: 'rule', rule: chosen, margin: terms.gate.margin, why };
}

/** E[baseline] - min(E) against the margin that is wanted. */
export function askGate(energies: Float64Array, baseline: number, wanted: number): GateAnswer {
  const found = energies[baseline]! - energies[lowest(energies, baseline)]!;
  return { accepted: found >= wanted, wanted, found };
}

/**
 * Carries a plan out.
 *
 * @param energies [N]; or why there are none; a rule that needs none goes on
 * @param isControl Whether an accepted choice is to be compared with the baseline, which is then executed.
 * Errors: energies that are not finite.
 */
export function decide(
  planned: Plan,
  samples: Samples,
  energies: Float64Array | Without,
  isControl: boolean,
): Decision {
  const { rule } = planned;
  if (planned.kind === 'baseline') return keepBaseline(samples, rule, planned.fallback, planned.why);
  const has = energies instanceof Float64Array;
  if (!needsEnergies(planned.rule)) {
    const choice = applyRule(planned.rule, samples);
    const note = has ? '' : `, without energies: ${whyWithout(energies)}`;
    return {
      ...choice,
      rule,
      fallback: undefined,
      gate: undefined,
      reason: `${planned.why}${told(planned.rule, choice, samples)}${note}`,
    };
  }
  if (!has) return keepBaseline(samples, rule, energies.without, `the baseline: ${whyWithout(energies)}`);
  const choice = applyRule(planned.rule, samples, energies);
  const gate = planned.margin === undefined ? undefined : askGate(energies, samples.baseline, planned.margin);
  if (gate?.accepted === false) {
    const text = `the baseline: the lowest energy lies ${figure(gate.found)} below it, the gate asks for ${figure(gate.wanted)}`;
    return { ...keepBaseline(samples, rule, 'gate_refused', text), gate };
  }
  if (isControl && gate !== undefined) {
    return {
      ...keepBaseline(samples, rule, 'control', 'the baseline: this request is in the control arm'),
      gate,
    };
  }
  const passed =
    gate === undefined
      ? ', without a gate'
      : `; the lowest energy lies ${figure(gate.found)} below the baseline, the gate asks for ${figure(gate.wanted)}`;
  return {
    ...choice,
    rule,
    fallback: undefined,
    gate,
    reason: `${planned.why}${told(planned.rule, choice, samples)}${passed}`,
  };
}

const WITHOUT = {
  deadline: 'the time was up before there were energies',
  overload: 'the queue is full',
  engine: 'the engine gave no energies',
} as const;

function whyWithout({ without, detail }: Without): string {
  return detail === undefined ? WITHOUT[without] : `${WITHOUT[without]} (${detail})`;
}

function keepBaseline(samples: Samples, rule: Rule | 'auto', fallback: Fallback, reason: string): Decision {
  const { batch, baseline } = samples;
  return {
    origin: 'baseline',
    chunk: chunkOf(batch, baseline),
    index: baseline,
    weights: oneHot(batch.candidates, baseline),
    rule,
    fallback,
    gate: undefined,
    reason,
  };
}

/** What a rule did, in words. */
function told(rule: Rule, { origin, index, weights }: Choice, { batch, modes }: Samples): string {
  const used = weights.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0);
  const among = modes.count === 1 ? '' : `, all of one mode of ${modes.count}`;
  const which = `candidate ${index} of ${batch.candidates}`;
  switch (rule) {
    case 'energy':
      return `${which} has the lowest energy`;
    case 'consensus':
      return `${which} is the medoid`;
    case 'consensus_of_best':
      return `${which} is the medoid of those with the lowest energies`;
    case 'energy_mean':
    case 'consensus_mean':
      if (origin === 'candidate') return `${which} stands for its mode, which has no mean`;
      return `the ${rule === 'energy_mean' ? 'mean weighted by energy' : 'mean'} of ${used} candidates${among}`;
  }
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
