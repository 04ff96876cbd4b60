/**
 * Steps on batches that somebody brings: loss and gradients, gathered over `accumulate` steps, then clipped and taken by AdamW.
 * What comes out depends on recipe, state and the batches alone, so `train`, which reads them from files, and TrainStep, which
 * receives them, give the same bits.
 */
import type { LossTerm } from '../energy/loss-terms.js';
import type { Runtime } from '../engine/runtime.js';
import type { ModelCard } from '../model/card.js';
import type { Weights } from '../model/weights.js';
import { seededRandom } from '../random.js';
import { toFloat32 } from '../tensor/tensor.js';
import {
  ADAMW,
  adamwUpdate,
  clipFactor,
  freshState,
  globalNorm,
  type AdamWState,
  type ParameterValues,
} from './adamw.js';
import { learningRateAt, type Recipe } from './recipe.js';
import { TrainingStep, type StepResult, type TrainingBatch } from './step.js';

/** Changed in place, step by step. */
export interface LearnerState {
  readonly progress: {
    /** Steps that were made, updates or not. */
    step: number;
  };
  readonly parameters: ParameterValues;
  readonly optimiser: AdamWState;
}

export interface LearnerOptions {
  readonly runtime: Runtime;
  readonly card: ModelCard;
  readonly terms: readonly { readonly term: LossTerm; readonly weight: number }[];
  readonly recipe: LearnedRecipe;
  /** H. */
  readonly steps: number;
  /** Shapes of the parameters, by name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly state: LearnerState;
  /** Updates in all, at most: what a schedule runs over. Infinity: nobody knows. */
  readonly updates: number;
}

export type LearnedRecipe = Pick<
  Recipe,
  | 'batch'
  | 'accumulate'
  | 'learningRate'
  | 'weightDecay'
  | 'schedule'
  | 'rampUpdates'
  | 'energyWarmSteps'
  | 'clip'
  | 'dropout'
  | 'seed'
>;

export interface StepReport extends Omit<StepResult, 'gradients'> {
  /** Counted from 1. */
  readonly step: number;
  /** Absent where the gradients wait for those of the next step. */
  readonly update?: {
    /** Updates that were made. */
    readonly number: number;
    /** Before clipping. */
    readonly gradientNorm: number;
    /** 0 in a warm step, which updates nothing. */
    readonly learningRate: number;
  };
}

export class Learner {
  readonly #options: LearnerOptions;
  readonly #step: TrainingStep;
  readonly #gathered: ParameterValues | undefined;

  constructor(options: LearnerOptions) {
    const { runtime, card, terms, recipe, steps, shapes, state } = options;
    const shape = { pairs: recipe.batch, steps, dropout: recipe.dropout };
    this.#options = options;
    this.#step = new TrainingStep(runtime, card, terms, shape, state.parameters, shapes);
    this.#gathered = recipe.accumulate > 1 ? freshState(state.parameters).first : undefined;
  }

  /** Errors: `invalid` with the name of the first tensor that is not finite; nothing has changed then. */
  async learn(batch: TrainingBatch): Promise<StepReport> {
    const { recipe, state } = this.#options;
    const { progress } = state;
    const random = seededRandom(recipe.seed, `dropout ${progress.step}`);
    const { gradients, ...figures } = await this.#step.run(batch, random);
    if (this.#gathered) gather(this.#gathered, gradients, recipe.accumulate);
    progress.step++;
    if (progress.step % recipe.accumulate !== 0) return { ...figures, step: progress.step };
    const update = this.#update(this.#gathered ?? gradients);
    for (const values of this.#gathered?.values() ?? []) values.fill(0);
    return { ...figures, step: progress.step, update };
  }

  #update(gradients: ParameterValues): NonNullable<StepReport['update']> {
    const { recipe, updates, state } = this.#options;
    const { progress, optimiser, parameters } = state;
    const rate = learningRateAt(recipe, optimiser.updates, updates);
    const gradientNorm = globalNorm(gradients);
    const warm = progress.step <= recipe.energyWarmSteps;
    if (!warm) {
      const { weightDecay, clip } = recipe;
      const options = { ...ADAMW, weightDecay };
      adamwUpdate(parameters, gradients, optimiser, rate, clipFactor(gradientNorm, clip), options);
    }
    return { number: optimiser.updates, gradientNorm, learningRate: warm ? 0 : rate };
  }
}

/** In memory of their own: they are changed. */
export function parametersOf(weights: Weights): ParameterValues {
  return new Map([...weights].map(([name, tensor]) => [name, toFloat32(name, tensor).slice()]));
}

export function shapesOf(weights: Weights): ReadonlyMap<string, readonly number[]> {
  return new Map([...weights].map(([name, { shape }]) => [name, shape]));
}

/** `gathered += gradients / count`. */
function gather(gathered: ParameterValues, gradients: ParameterValues, count: number): void {
  for (const [name, values] of gathered) {
    const gradient = gradients.get(name)!;
    for (let i = 0; i < values.length; i++) values[i]! += gradient[i]! / count;
  }
}
