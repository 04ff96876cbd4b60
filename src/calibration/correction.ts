/**
 * The prior-corrected score at work: E/tau - log p(a), in nats, whose softmax over candidates is p(a|c) among them. E is the
 * score that the calibration found better, tau its fitted temperature, p(a) its density of experts' chunks (choice/density.ts).
 */
import { Fault, invalid } from '../errors.js';
import type { Score } from '../model/energy.js';
import type { Calibration } from './calibration-schema.js';
import { corrected } from './choice/candidate-table.js';
import { logDensities } from './choice/density.js';

/** Of a corrected score: it is in nats already. */
export const CORRECTED_TAU = 1;

export interface Correction {
  /** The score that is corrected. */
  readonly score: Score;
  /**
   * @param energies [N] of `score`, pooled as the card says
   * @param chunks [N, H, A] row-major
   * @returns [N], lower is better
   * Errors: `invalid` chunks of another length than the density is of.
   */
  readonly apply: (energies: Float64Array, chunks: Float32Array) => Float64Array;
}

/** @param calibration undefined: none in force. Errors: `precondition` without a density. */
export function priorCorrection(
  calibration: Pick<Calibration, 'better' | 'scores' | 'choice'> | undefined,
): Correction {
  const density = calibration?.choice?.density;
  if (!calibration || !density) {
    throw new Fault('precondition', 'no density of chunks to correct by', {
      field: 'score',
      found: calibration ? 'a calibration without a density' : 'no calibration in force',
      wanted: 'one that was made of data with `candidates`',
      mend: 'Calibrate with such data, or score by readout or logit',
    });
  }
  const { better, scores } = calibration;
  const { tau } = scores[better].temperature;
  return {
    score: better,
    apply: (energies, chunks) => {
      const size = chunks.length / energies.length;
      if (size !== density.size) {
        throw invalid('candidates', 'chunks of another length than those whose density is known', {
          found: `${size} values a chunk`,
          wanted: `${density.size}, as in the calibration data`,
        });
      }
      return corrected(energies, logDensities(density, chunks), tau);
    },
  };
}
