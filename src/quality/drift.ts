/** Drift of live energies from the experts' of the calibration, as population stability index over the last energies. */
import { binShares, populationStabilityIndex, type DriftReference } from '../calibration/metrics/drift.js';
import { Recent, type RecentOptions } from './recent.js';

/**
 * Below this the index is noise: of n energies from the reference itself it is about (bins - 1) / n, 0.045 for
 * 10 bins and 200.
 */
export const FEWEST_FOR_DRIFT = 200;

export class DriftWindow {
  readonly #recent: Recent<number>;

  constructor(options: RecentOptions) {
    this.#recent = new Recent(options);
  }

  push(nowMs: number, energy: number): void {
    this.#recent.push(nowMs, energy);
  }

  /** Undefined with fewer than `FEWEST_FOR_DRIFT` recent energies. */
  index(nowMs: number, reference: DriftReference): number | undefined {
    const energies = this.#recent.values(nowMs);
    if (energies.length < FEWEST_FOR_DRIFT) return undefined;
    return populationStabilityIndex(reference, binShares(reference.edges, Float64Array.from(energies)));
  }
}
