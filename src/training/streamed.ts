/**
 * Training on batches that come one by one, for trainers that make hidden states on the fly: the steps of `train` without its files,
 * epochs and validations. The same recipe and batches give the same bits as `train`. What is drawn for a batch (made negatives,
 * noise) comes from seed, step and place in it; action units are those of the first batch.
 */
import { calibrationData, type CalibrationData } from '../calibration/data/calibration-data.js';
import { memoryColumns } from '../calibration/data/columns.js';
import { shardContradictions, shardLayout, type ShardLayout } from '../calibration/data/layout.js';
import type { Runtime } from '../engine/runtime.js';
import { Fault } from '../errors.js';
import { saveBundle } from '../model/bundle.js';
import type { ModelCard } from '../model/card.js';
import { refuse } from '../model/problems.js';
import type { Weights } from '../model/weights.js';
import type { Tensor } from '../tensor/tensor.js';
import { freshState } from './adamw.js';
import { actionScale, batchSource, type ActionScale } from './batches.js';
import { Learner, parametersOf, shapesOf, type LearnerState, type StepReport } from './learner.js';
import type { Recipe } from './recipe.js';
import { checkLossData, lossTerms } from './trained-losses.js';
import { trainedCard, trainedWeights } from './trained-card.js';

/** `batch` is that of the first rows; what else is missing is of files. */
export type StreamRecipe = Omit<
  Recipe,
  'batch' | 'epochs' | 'validationShare' | 'validateEvery' | 'patience'
>;

export interface StreamedReport extends StepReport {
  /** Updates that were made. */
  readonly updates: number;
}

export class StreamedTraining {
  readonly #runtime: Runtime;
  readonly #card: ModelCard;
  readonly #recipe: StreamRecipe;
  readonly #state: LearnerState;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  #first: ShardLayout | undefined;
  #scale: ActionScale | undefined;
  #learner: Learner | undefined;

  constructor(runtime: Runtime, card: ModelCard, weights: Weights, recipe: StreamRecipe) {
    const parameters = parametersOf(weights);
    this.#runtime = runtime;
    this.#card = card;
    this.#recipe = recipe;
    this.#shapes = shapesOf(weights);
    this.#state = { progress: { step: 0 }, parameters, optimiser: freshState(parameters) };
  }

  /** Steps that were made. */
  get steps(): number {
    return this.#state.progress.step;
  }

  /**
   * One step on the columns of a batch, in the layout of calibration data. Its size and columns must be those of the first one.
   * Errors: `invalid` a column that is missing, does not fit the model or is not finite; `precondition` after the last update.
   * Nothing has changed then.
   */
  async learn(columns: ReadonlyMap<string, Tensor>): Promise<StreamedReport> {
    const { losses, seed, negatives, mostUpdates } = this.#recipe;
    if (this.#state.optimiser.updates >= mostUpdates) {
      throw new Fault('precondition', 'all updates are made', {
        field: 'rows',
        found: String(this.#state.optimiser.updates),
        wanted: `at most ${mostUpdates}, as the recipe says`,
        mend: 'Save the model, and train on in a new session',
      });
    }
    const source = memoryColumns('rows', columns);
    const { layout } = shardLayout(source, this.#card);
    const data = await calibrationData([source], this.#card); // refuses what the layout is not
    this.#first ??= layout;
    checkAlike(this.#first, layout);
    const kinds = losses.map(({ kind }) => kind);
    checkLossData(data, kinds);
    const scale = this.#scale ?? (await actionScale(data, this.#card));
    const batches = batchSource(data, this.#card, kinds, seed, scale, negatives);
    const rows = Int32Array.from({ length: data.rows }, (_, row) => row);
    const batch = await batches.read(rows, this.#state.progress.step);
    this.#learner ??= this.#newLearner(data, batches.negatives);
    const report = await this.#learner.learn(batch);
    this.#scale = scale; // only of actions that a step could be made of
    return { ...report, updates: this.#state.optimiser.updates };
  }

  #newLearner(data: CalibrationData, negatives: number): Learner {
    const recipe = { ...this.#recipe, batch: data.rows };
    return new Learner({
      runtime: this.#runtime,
      card: this.#card,
      terms: lossTerms(recipe, data, negatives),
      recipe,
      steps: data.steps,
      shapes: this.#shapes,
      state: this.#state,
      updates: recipe.mostUpdates,
    });
  }

  /** Writes a bundle into `directory`, called as its folder. Returns its digest. Errors: those of `saveBundle`. */
  async save(directory: string, name: string, replace: boolean): Promise<string> {
    const { parameters } = this.#state;
    const card = trainedCard(this.#card, name, this.#recipe.tau, parameters);
    const weights = trainedWeights(parameters, this.#shapes);
    try {
      return (await saveBundle(directory, card, weights, { force: replace })).digest;
    } catch (cause) {
      if (cause instanceof Fault) throw cause;
      throw new Fault('precondition', 'the bundle cannot be written', {
        field: directory,
        found: (cause as Error).message,
        mend: 'Check that the models folder is there and that the server may write to it',
        cause,
      });
    }
  }
}

/** Errors: `invalid` naming everything that is not as in the session's first batch. */
function checkAlike(first: ShardLayout, layout: ShardLayout): void {
  const name = 'the first batch';
  const problems = shardContradictions([
    { name, layout: first },
    { name: 'rows', layout },
  ]);
  if (layout.rows !== first.rows) {
    const summary = `rows (B) differ from those of ${name}`;
    problems.push({ field: 'rows: actions', summary, found: `${layout.rows}`, wanted: `${first.rows}` });
  }
  refuse('rows', problems);
}
