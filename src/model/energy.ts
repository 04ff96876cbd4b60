/**
 * From raw per-step values to energies, ranking and probabilities. The one place where readout and pooling are done; the
 * engine returns raw steps, whoever asks chooses.
 */
import { invalid } from '../errors.js';
import type { Pool } from './card.js';
import { poolSteps, poolWeights } from './pool.js';
import { applyReadout, type Readout } from './readout.js';

/** `readout`: pool of readout(r), the model's energy. `logit`: pool of r itself, which keeps its spread where the sigmoid saturates. */
export type Score = 'readout' | 'logit';

export interface EnergyOptions {
  readonly readout: Readout;
  readonly pool: Pool;
  readonly score: Score;
}

export interface Energies {
  /** [N]; lower fits better. */
  readonly energies: Float64Array;
  /** [N, H] row-major, before pooling, after the readout (`logit`: r). */
  readonly steps: Float64Array;
}

/**
 * Energies of N items; a matrix is N = rows * columns. Errors: stage `energy` with the index of the first item whose
 * result is not finite.
 *
 * @param raw [N, H] row-major, r of the prediction head
 * @param steps H
 */
export function energiesFromRaw(
  raw: Float32Array | Float64Array,
  steps: number,
  { readout, pool, score }: EnergyOptions,
): Energies {
  const weights = poolWeights(pool, steps);
  const items = raw.length / steps;
  if (!Number.isInteger(items)) {
    throw invalid('raw_steps', 'not whole chunks', {
      found: `${raw.length} values`,
      wanted: `a multiple of ${steps}`,
    });
  }
  const stepValues = score === 'logit' ? Float64Array.from(raw) : applyReadout(readout, raw);
  const energies = poolSteps(weights, stepValues, items, steps);
  for (let i = 0; i < items; i++) {
    if (Number.isFinite(energies[i])) continue;
    throw invalid(`energy[${i}]`, 'non-finite energy', {
      found: String(energies[i]),
      wanted: 'a finite value',
    });
  }
  return { energies, steps: stepValues };
}

/** Item indices by ascending energy, [N]; equal energies keep their order. Errors: NaN, which has no place in an order. */
export function rank(energies: Float64Array): Int32Array {
  const nan = energies.findIndex(Number.isNaN);
  if (nan >= 0) throw invalid(`energy[${nan}]`, 'cannot be ranked', { found: 'NaN' });
  return Int32Array.from(energies.keys()).sort((a, b) => {
    const difference = energies[a]! - energies[b]!;
    return difference < 0 ? -1 : difference > 0 ? 1 : a - b;
  });
}

/** softmax(-E / tau), [N], shifted by the lowest energy so that nothing overflows. Errors: tau not positive. */
export function probabilities(energies: Float64Array, tau: number): Float64Array {
  if (!(tau > 0) || !Number.isFinite(tau)) {
    throw invalid('tau', 'not a temperature', { found: String(tau), wanted: 'a positive number' });
  }
  let lowest = Infinity;
  for (const energy of energies) lowest = Math.min(lowest, energy);
  const weights = energies.map((energy) => Math.exp((lowest - energy) / tau));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
