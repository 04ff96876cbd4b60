/**
 * From a rule to a decision: what a calibration lets the model do comes before the rule, the gate after it. Whatever stands
 * in the way leads to the baseline, and the decision says what it was.
 */
import { oneHot, type Samples } from './average.js';
import { chunkOf } from './candidates.js';
import type { Refinement } from './descent.js';
import { figure, told, toldOfMove, whyWithout, type Without } from './reasons.js';
import {
  applyRule,
  checkedEnergies,
  needsEnergies,
  samplesOf,
  type Choice,
  type NamedRule,
  type Rule,
} from './rules.js';

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
        /** The share of harm that it is good for. */
        readonly bound: number;
        /** It is good for so many candidates: of more, only the baseline and the first others are looked at. */
        readonly candidates: number;
      }
    | undefined;
  /** The rule that was best on held-out episodes, with the finding in words; undefined: none was better than the baseline. */
  readonly best: { readonly rule: Rule; readonly finding: string } | undefined;
}

export interface Asked {
  readonly rule: NamedRule | 'auto';
  /** An energy rule without gate, whatever the calibration says. */
  readonly ungated: boolean;
}

/** What is going to be done, before there are energies. */
export type Plan =
  | {
      readonly kind: 'baseline';
      readonly rule: NamedRule | 'auto';
      readonly fallback: Fallback;
      readonly why: string;
    }
  | {
      readonly kind: 'rule';
      readonly rule: NamedRule;
      /** Undefined: no gate to ask. */
      readonly gate: Terms['gate'];
      /** Why this rule, where nobody asked for it. */
      readonly why: string;
    };

export interface GateAnswer {
  readonly accepted: boolean;
  readonly wanted: number;
  readonly found: number;
  /** The candidate that it is about. */
  readonly index: number;
}

export interface Decision extends Omit<Choice, 'origin'> {
  readonly origin: Choice['origin'] | 'baseline' | 'refined';
  readonly rule: NamedRule | 'auto';
  readonly fallback: Fallback | undefined;
  readonly gate: GateAnswer | undefined;
  /** What came of moving the chosen candidate. */
  readonly refinement?: Refinement;
  /** One sentence. */
  readonly reason: string;
}

/** @param terms undefined: no calibration in force. `gateOpen`: not closed by reported outcomes. */
export function plan({ rule, ungated }: Asked, terms: Terms | undefined, gateOpen: boolean): Plan {
  const chosen = rule === 'auto' ? terms?.best?.rule : rule;
  const why = rule === 'auto' && terms?.best !== undefined ? `auto: ${terms.best.finding}; ` : '';
  if (chosen !== undefined && (ungated || !needsEnergies(chosen))) {
    return { kind: 'rule', rule: chosen, gate: undefined, why };
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
  return { kind: 'rule', rule: chosen, gate: terms.gate, why };
}

/** The calibrated gate's answer for the candidate of the lowest energy. [N] energies; only those that count are looked at. */
export function askGate(
  energies: Float64Array,
  baseline: number,
  { margin, candidates }: NonNullable<Terms['gate']>,
): GateAnswer {
  const places = firstPlaces(energies.length, baseline, candidates);
  const lowestSeen = places.reduce(
    (best, place) => (energies[place]! < energies[best]! ? place : best),
    baseline,
  );
  const found = energies[baseline]! - energies[lowestSeen]!;
  return { accepted: found >= margin, wanted: margin, found, index: lowestSeen };
}

/** The baseline and the first others, `most` in all, ascending. */
function firstPlaces(count: number, baseline: number, most: number): number[] {
  const all = Array.from({ length: count }, (_, place) => place);
  if (count <= most) return all;
  const others = all.filter((place) => place !== baseline).slice(0, Math.max(0, most - 1));
  return [...others, baseline].sort((a, b) => a - b);
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
  const { gate } = planned;
  checkedEnergies(energies, samples.batch.candidates);
  if (gate === undefined) {
    const choice = applyRule(chosenBy(planned.rule), samples, energies);
    const reason = `${planned.why}${told(planned.rule, choice, samples)}, without a gate`;
    return { ...choice, rule, fallback: undefined, gate, reason };
  }
  const answer = askGate(energies, samples.baseline, gate);
  const margins = `the lowest energy lies ${figure(answer.found)} below it, the gate asks for ${figure(answer.wanted)}`;
  if (!answer.accepted) {
    return { ...keepBaseline(samples, rule, 'gate_refused', `the baseline: ${margins}`), gate: answer };
  }
  if (isControl) {
    const text = 'the baseline: the gate accepted, and this request is in the control arm';
    return { ...keepBaseline(samples, rule, 'control', text), gate: answer };
  }
  const seen = firstOf(samples, gate.candidates);
  const seenEnergies = Float64Array.from(seen.places, (place) => energies[place]!);
  const choice = placed(applyRule(chosenBy(planned.rule), seen.samples, seenEnergies), seen.places, samples);
  const among = seen.places.length < samples.batch.candidates ? ` of the first ${seen.places.length}` : '';
  const reason = `${planned.why}${told(planned.rule, choice, samples)}${among}; against the baseline, ${margins}`;
  return { ...choice, rule, fallback: undefined, gate: answer, reason };
}

/** The rule whose choice is executed, or moved on from. */
function chosenBy(rule: NamedRule): Rule {
  return rule === 'refine' ? 'energy' : rule;
}

/** The decision once its candidate was moved: the moved chunk where that lowered the energy, else the candidate still. */
export function refined(decision: Decision, refinement: Refinement): Decision {
  const reason = `${decision.reason}; ${toldOfMove(refinement)}`;
  if (refinement.stepsTaken === 0) return { ...decision, refinement, reason };
  return { ...decision, origin: 'refined', chunk: refinement.chunk, refinement, reason };
}

/** The candidates that a gate looks at, and their places among all. */
function firstOf(
  samples: Samples,
  most: number,
): { readonly samples: Samples; readonly places: readonly number[] } {
  const { batch, traits, baseline } = samples;
  const places = firstPlaces(batch.candidates, baseline, most);
  if (places.length === batch.candidates) return { samples, places };
  const length = batch.values.length / batch.candidates;
  const values = new Float32Array(places.length * length);
  for (const [i, place] of places.entries()) values.set(chunkOf(batch, place), i * length);
  const part = { values, candidates: places.length, steps: batch.steps };
  return { samples: samplesOf(part, traits, places.indexOf(baseline)), places };
}

/** A choice among some candidates as one among all. */
function placed(choice: Choice, places: readonly number[], { batch }: Samples): Choice {
  if (places.length === batch.candidates) return choice;
  const weights = new Float64Array(batch.candidates);
  for (const [i, place] of places.entries()) weights[place] = choice.weights[i]!;
  return { ...choice, index: places[choice.index]!, weights };
}

function keepBaseline(
  samples: Samples,
  rule: NamedRule | 'auto',
  fallback: Fallback,
  reason: string,
): Decision {
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
