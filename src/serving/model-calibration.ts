/** The calibration of a served model: in force, absent, or refused with the reason; and what it makes of energies. */
import { applyCalibration } from '../calibration/apply.js';
import { loadCalibration } from '../calibration/store.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import { invalid, toFault, type Fault } from '../errors.js';
import { probabilities, type Score } from '../model/energy.js';
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import { choosingScore, choosingTerms } from '../calibration/choosing-terms.js';
import { priorCorrection, type Correction } from '../calibration/correction.js';
import type { Terms } from '../selection/decide.js';

export type CalibrationState =
  | { readonly state: 'NONE' }
  | { readonly state: 'APPLIED'; readonly calibration: Calibration }
  | { readonly state: 'REFUSED'; readonly fault: Fault };

export interface Answered {
  /** [N]. */
  readonly probabilities: Float64Array;
  /** [N]; empty when not calibrated. */
  readonly pValues: Float64Array;
  readonly tau: number;
  /** Of the calibration that was applied; empty when none was. */
  readonly calibrationVersion: string;
}

export interface AnswerOptions {
  /** In force without a calibration, or with `raw`. */
  readonly tau: number;
  /** Leave the calibration out: it was not wanted, or does not hold for how the energies are pooled. */
  readonly raw: boolean;
  readonly score: Score;
  /** When in the episode, in control steps. */
  readonly episodeStep: number | undefined;
}

/** One a served model; every request reads the state once, so that an answer is of one calibration throughout. */
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

  /** What the calibration in force says of choosing by `score`; undefined: there is none. */
  choosing(score: ChoiceScore): Terms | undefined {
    const { current } = this;
    return current && choosingTerms(current, score);
  }

  /** The score to choose by; without a calibration the model's energy. */
  get choosingScore(): ChoiceScore {
    return this.current ? choosingScore(this.current) : 'readout';
  }

  /** What makes prior-corrected scores of energies. Errors: `precondition` where the calibration in force has none, or none is. */
  correcting(): Correction {
    return priorCorrection(this.current);
  }

  apply(calibration: Calibration): void {
    this.#state = { state: 'APPLIED', calibration };
  }

  /** What turns the energies of a request into its answer, whatever becomes of the state meanwhile. Errors: `options.episode_step`. */
  answering({ tau, raw, score, episodeStep }: AnswerOptions): (energies: Float64Array) => Answered {
    if (episodeStep !== undefined && !Number.isFinite(episodeStep)) {
      throw invalid('options.episode_step', 'not a time', {
        found: String(episodeStep),
        wanted: 'a finite number',
      });
    }
    const calibration = this.current;
    if (calibration === undefined || raw) {
      return (energies) => ({
        probabilities: probabilities(energies, tau),
        pValues: new Float64Array(0),
        tau,
        calibrationVersion: '',
      });
    }
    return (energies) => {
      const { version, ...applied } = applyCalibration(calibration, energies, {
        score,
        ...(episodeStep === undefined ? {} : { episodeStep }),
      });
      return { ...applied, calibrationVersion: version };
    };
  }
}
