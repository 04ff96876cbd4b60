/**
 * Input drift: how a share of the live contexts and chunks lies beside the calibration's rows, in numbers that need no model
 * (`calibration/fit/input-statistics.ts`). It tells a camera that was exchanged from a model that was, and costs no engine time.
 */
import type { Clock } from '../batching/clock.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import {
  actionRange,
  INPUTS,
  maskedShare,
  tokenNorm,
  type Input,
} from '../calibration/fit/input-statistics.js';
import type { EncodeItem } from '../engine/engine.js';
import type { ModelCard } from '../model/card.js';
import type { Random } from '../random.js';
import { DriftWindow } from './figures.js';

export interface InputDriftOptions {
  readonly card: Pick<ModelCard, 'state_dim' | 'action_dim'>;
  /** Of contexts, and of chunks, that are looked at: 0 to 1. */
  readonly share: number;
  readonly clock: Clock;
  readonly random: Pick<Random, 'uniform'>;
  /** The calibration in force. */
  readonly calibration: () => Pick<Calibration, 'input_drift' | 'data'> | undefined;
}

/** What is not known is absent: `live` before the first sample, the others without a calibration that has them. */
export interface InputFigures {
  readonly input: Input;
  /** Means: of the last samples, and of the calibration's rows. */
  readonly live?: number;
  readonly calibrated?: number;
  /** Population stability index between the two. */
  readonly psi?: number;
}

const WINDOW = { capacity: 1024, maxAgeMs: 600_000 } as const;

export class InputDrift {
  readonly #options: InputDriftOptions;
  readonly #windows = Object.fromEntries(INPUTS.map((input) => [input, new DriftWindow(WINDOW)])) as Record<
    Input,
    DriftWindow
  >;

  constructor(options: InputDriftOptions) {
    this.#options = options;
  }

  /** A context that was sent, before its memory moves to the engine. */
  context(item: Pick<EncodeItem, 'dtype' | 'bytes' | 'visible'>): void {
    if (!this.#draws()) return;
    const { state_dim: stateDim } = this.#options.card;
    this.#push('token_norm', tokenNorm(item, stateDim));
    this.#push('masked_share', maskedShare(item, stateDim));
  }

  /** The right chunk of a request that was answered, [H, A]. */
  chunk(values: Float32Array): void {
    if (!this.#draws()) return;
    const { card, calibration } = this.#options;
    this.#push('action_range', actionRange(values, card.action_dim, calibration()?.data.action_units));
  }

  figures(): InputFigures[] {
    const nowMs = this.#options.clock.nowMs();
    const references = this.#options.calibration()?.input_drift;
    return INPUTS.map((input) => {
      const window = this.#windows[input];
      const live = window.mean(nowMs);
      const reference = references?.[input];
      const psi = reference && window.index(nowMs, reference);
      return {
        input,
        ...(live !== undefined && { live }),
        ...(reference && { calibrated: reference.mean }),
        ...(psi !== undefined && { psi }),
      };
    });
  }

  #draws(): boolean {
    return this.#options.random.uniform() < this.#options.share;
  }

  /** The engine refuses contexts that are not finite; they are no drift. */
  #push(input: Input, value: number): void {
    if (Number.isFinite(value)) this.#windows[input].push(this.#options.clock.nowMs(), value);
  }
}
