/** Probabilities and p-values of an answer, calibrated or not: the one place that decides which. */
import { isDeepStrictEqual } from 'node:util';
import { applyCalibration } from '../calibration/apply.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import { invalid } from '../errors.js';
import type { ScoreOptions__Output } from '../generated/action_energy/v1/ScoreOptions.js';
import type { ModelCard } from '../model/card.js';
import { probabilities, type EnergyOptions } from '../model/energy.js';
import { decodeTau } from '../grpc/energy/options-message.js';

export interface Answer {
  readonly probabilities: Float64Array;
  /** Empty when not calibrated. */
  readonly pValues: Float64Array;
  readonly tau: number;
  /** Empty when not calibrated. */
  readonly calibrationVersion: string;
}

/**
 * What turns the energies of this request into its answer. Calibrated when there is a calibration, the request neither
 * says `raw` nor gives a `tau`, and it pools as the card does. Errors: `options.tau`, `options.episode_step`.
 */
export function decodeAnswer(
  options: ScoreOptions__Output | null | undefined,
  energyOptions: EnergyOptions,
  card: ModelCard,
  calibration: Calibration | undefined,
): (energies: Float64Array) => Answer {
  const tau = decodeTau('options.tau', options?.tau, card);
  const episodeStep = options?.episodeStep;
  if (episodeStep !== undefined && !Number.isFinite(Number(episodeStep))) {
    throw invalid('options.episode_step', 'not a time', {
      found: String(episodeStep),
      wanted: 'a finite number',
    });
  }
  const { pool, score } = energyOptions;
  const asked = options?.raw !== true && options?.tau === undefined && isDeepStrictEqual(pool, card.pool);
  if (calibration === undefined || !asked) {
    return (energies) => ({
      probabilities: probabilities(energies, tau),
      pValues: new Float64Array(0),
      tau,
      calibrationVersion: '',
    });
  }
  const how = { score, ...(episodeStep === undefined ? {} : { episodeStep: Number(episodeStep) }) };
  return (energies) => {
    const { version, ...applied } = applyCalibration(calibration, energies, how);
    return { ...applied, calibrationVersion: version };
  };
}
