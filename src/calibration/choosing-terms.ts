/** What a calibration says of choosing, in the terms of `src/selection`. */
import type { Terms } from '../selection/decide.js';
import type { Calibration } from './calibration-schema.js';
import type { ChoiceScore } from './choice/candidate-table.js';

export function choosingTerms(
  { version, verdict, choice }: Pick<Calibration, 'version' | 'verdict' | 'choice'>,
  score: ChoiceScore,
): Terms {
  const gate = choice?.gates[score];
  return {
    version,
    mayChoose: verdict !== 'must_not_choose',
    gate: gate ? { margin: gate.margin, bound: gate.alpha, candidates: gate.candidates } : undefined,
    best: choice?.best ?? undefined,
  };
}

/** The score to choose by: that of the best rule, which is the corrected one only where held-out data say so. */
export function choosingScore({ choice, better }: Pick<Calibration, 'choice' | 'better'>): ChoiceScore {
  return choice?.best?.score ?? better;
}
