/**
 * The prior-corrected score at work: E/tau - log p(a), in nats, whose softmax over candidates is p(a|c) among them. E is the
 * score that the calibration found better, tau its fitted temperature, p(a) its density of experts' chunks (choice/density.ts).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Fault, invalid } from '../errors.js';
import type { Score } from '../model/energy.js';
import type { Calibration } from './calibration-schema.js';
import { corrected } from './choice/candidate-table.js';
import type { ChunkDensity } from './choice/choice-schema.js';
import { logDensities } from './choice/density.js';

/** Of a corrected score: it is in nats already. */
export const CORRECTED_TAU = 1;

export interface Correction {
  /** The score that is corrected. */
  readonly score: Score;
  /**
   * @param energies [N] of `score`, pooled as the card says
   * @param chunks [N, H, A] row-major
   * @returns [N], lower is better; over several turns of the event loop where there are many
   * Errors: `invalid` chunks of another length than the density is of.
   */
  readonly apply: (energies: Float64Array, chunks: Float32Array) => Promise<Float64Array>;
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
    apply: async (energies, chunks) => {
      const size = chunks.length / energies.length;
      if (size !== density.size) {
        throw invalid('candidates', 'chunks of another length than those whose density is known', {
          found: `${size} values a chunk`,
          wanted: `${density.size}, as in the calibration data`,
        });
      }
      return corrected(energies, await logDensitiesByTurns(density, chunks), tau);
    },
  };
}

/** Multiply-adds of one turn, a few milliseconds: others are served between them. */
const TURN = 500_000;

async function logDensitiesByTurns(density: ChunkDensity, chunks: Float32Array): Promise<Float64Array> {
  const { size, places, diagonal, clusters = [] } = density;
  const d = places.length;
  const each = d * ((diagonal ? 1 : d / 2) + clusters.length); // whitened, then compared with each kernel
  const values = size * Math.max(1, Math.floor(TURN / each));
  const out = new Float64Array(chunks.length / size);
  for (let from = 0; from < chunks.length; from += values) {
    if (from > 0) await nextTurn();
    out.set(logDensities(density, chunks.subarray(from, from + values)), from / size);
  }
  return out;
}
