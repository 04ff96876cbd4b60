/**
 * Does the energy rise with the size of the noise? Row i holds the energies of one chunk at growing noise,
 * sigma_0 = 0 < sigma_1 < ...; the noise of a row is one draw scaled, so only its size changes.
 */
import { meanRanks } from './ranks.js';

/** Spearman's rank correlation of energy and noise size by row; a row of equal energies has none: 0. [n] */
export function noiseCorrelations(energies: Float64Array, levels: number): Float64Array {
  const rows = energies.length / levels;
  const out = new Float64Array(rows);
  const middle = (levels + 1) / 2;
  for (let row = 0; row < rows; row++) {
    const ranks = meanRanks(energies.subarray(row * levels, (row + 1) * levels));
    let covariance = 0;
    let variance = 0;
    let reference = 0;
    for (let level = 0; level < levels; level++) {
      covariance += (ranks[level]! - middle) * (level + 1 - middle);
      variance += (ranks[level]! - middle) ** 2;
      reference += (level + 1 - middle) ** 2;
    }
    out[row] = variance > 0 ? covariance / Math.sqrt(variance * reference) : 0;
  }
  return out;
}

/** Share of neighbouring noise sizes at which the energy fails to rise, by row. [n] */
export function monotonicityViolations(energies: Float64Array, levels: number): Float64Array {
  const rows = energies.length / levels;
  const out = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let level = 1; level < levels; level++) {
      if (energies[row * levels + level]! <= energies[row * levels + level - 1]!)
        out[row]! += 1 / (levels - 1);
    }
  }
  return out;
}
