/** What a calibration says of choosing, in the terms of `src/selection`. */
import type { Score } from '../model/energy.js';
import type { Terms } from '../selection/decide.js';
import type { Calibration } from './calibration-schema.js';

export function choosingTerms(
  { version, verdict, choice }: Pick<Calibration, 'version' | 'verdict' | 'choice'>,
  score: Score,
): Terms {
  const gate = choice?.gates[score];
  return {
    version,
    mayChoose: verdict !== 'must_not_choose',
    gate: gate ? { margin: gate.margin, bound: gate.alpha, candidates: gate.candidates } : undefined,
    best: choice?.best ?? undefined,
  };
}
