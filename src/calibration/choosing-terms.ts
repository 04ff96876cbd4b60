/** What a calibration says of choosing, in the terms of `src/selection`. */
import type { Score } from '../model/energy.js';
import type { Terms } from '../selection/decide.js';
import type { Calibration } from './calibration-schema.js';

export function choosingTerms({ version }: Calibration, score: Score): Terms {
  void score;
  return { version, mayChoose: true, gate: undefined, best: undefined };
}
