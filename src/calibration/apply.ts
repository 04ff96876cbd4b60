/**
 * A calibration at work: energies of one context's candidates become probabilities and p-values, and what it says of
 * choosing. Of a model in service it is in force, absent, or refused with the reason.
 */
import { invalid, toFault, type Fault } from '../errors.js';
import { probabilities, type Score } from '../model/energy.js';
import type { Terms } from '../selection/decide.js';
import type { Calibration } from './calibration-schema.js';
import type { ChoiceScore } from './choice/candidate-table.js';
import { priorCorrection, type Correction } from './correction.js';
import { expertPValue, stepBucket } from './fit/experts.js';
import { loadCalibration } from './store.js';

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

/** What a calibration says of choosing, in the terms of `src/selection`. */
function choosingTerms(
  { version, verdict, choice }: Pick<Calibration, 'version' | 'verdict' | 'choice'>,
  score: ChoiceScore,
): Terms {
  const gate = choice?.gates[score];
  return {
    version,
    mayChoose: verdict !== 'must_not_choose',
    gate: gate ? { margin: gate.margin, bound: gate.alpha, candidates: gate.candidates } : undefined,
    best: choice?.best ?? undefined,
  };
}

/** The score to choose by: that of the best rule, which is the corrected one only where held-out data say so. */
export function choosingScore({ choice, better }: Pick<Calibration, 'choice' | 'better'>): ChoiceScore {
  return choice?.best?.score ?? better;
}
