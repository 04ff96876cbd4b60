/** The calibration of a served model: in force, absent, or refused with the reason. */
import { loadCalibration } from '../calibration/store.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import { toFault, type Fault } from '../errors.js';
import type { CalibrationStatus } from '../generated/action_energy/v1/CalibrationStatus.js';

export type CalibrationState =
  | { readonly state: 'NONE' }
  | { readonly state: 'APPLIED'; readonly calibration: Calibration }
  | { readonly state: 'REFUSED'; readonly fault: Fault };

/** One a served model; every request reads `current` once, so that an answer is of one calibration throughout. */
export class ModelCalibration {
  #state: CalibrationState;

  private constructor(state: CalibrationState) {
    this.#state = state;
  }

  /** Reads the bundle's. Never rejects: a calibration that cannot be used is a state, not an end to scoring. */
  static async load(directory: string, weightsDigest: string): Promise<ModelCalibration> {
    try {
      const calibration = await loadCalibration(directory, weightsDigest);
      return new ModelCalibration(calibration ? { state: 'APPLIED', calibration } : { state: 'NONE' });
    } catch (error) {
      return new ModelCalibration({ state: 'REFUSED', fault: toFault(error) });
    }
  }

  get state(): CalibrationState {
    return this.#state;
  }

  get current(): Calibration | undefined {
    return this.#state.state === 'APPLIED' ? this.#state.calibration : undefined;
  }

  /** Empty when there is none. */
  get version(): string {
    return this.current?.version ?? '';
  }

  apply(calibration: Calibration): void {
    this.#state = { state: 'APPLIED', calibration };
  }

  message(): CalibrationStatus {
    const state = this.#state;
    switch (state.state) {
      case 'NONE':
        return { state: 'NONE' };
      case 'REFUSED':
        return { state: 'REFUSED', problem: state.fault.message };
      case 'APPLIED': {
        const { created, scores } = state.calibration;
        return {
          state: 'APPLIED',
          created,
          readoutTau: scores.readout.temperature.tau,
          logitTau: scores.logit.temperature.tau,
        };
      }
    }
  }
}
