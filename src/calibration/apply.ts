/** A calibration at work: energies of one context's candidates become probabilities and p-values. */
import { invalid } from '../errors.js';
import { probabilities, type Score } from '../model/energy.js';
import { expertPValue, stepBucket } from './fit/experts.js';
import type { Calibration } from './calibration-schema.js';

export interface ApplyOptions {
  /** Which score `energies` are; the model's energies by default. */
  readonly score?: Score;
  /** Step of the episode, where known: the p-value then compares with experts at that time. */
  readonly episodeStep?: number;
}

export interface Calibrated {
  /** softmax(-E / tau) among the candidates, [N]. */
  readonly probabilities: Float64Array;
  /** Share of experts with an energy this high, in (0, 1]; small: not like an expert. [N] */
  readonly pValues: Float64Array;
  readonly tau: number;
  /** Version of the calibration. */
  readonly version: string;
}

/** `energies` [N] of one context, pooled as the card says (a calibration holds for that pool alone). Errors: NaN. */
export function applyCalibration(
  calibration: Calibration,
  energies: Float64Array,
  { score = 'readout', episodeStep }: ApplyOptions = {},
): Calibrated {
  const nan = energies.findIndex(Number.isNaN);
  if (nan >= 0) throw invalid(`energy[${nan}]`, 'cannot be calibrated', { found: 'NaN' });
  const { temperature, experts } = calibration.scores[score];
  const { overall, by_step: byStep } = experts;
  const sample =
    byStep !== undefined && episodeStep !== undefined
      ? byStep.buckets[stepBucket(byStep.edges, episodeStep)]!
      : overall;
  return {
    probabilities: probabilities(energies, temperature.tau),
    pValues: energies.map((energy) => expertPValue(sample, energy)),
    tau: temperature.tau,
    version: calibration.version,
  };
}
