/**
 * The loop of a training run: batches, steps, updates, validations, saved states. What it does depends on recipe, data and the
 * weights that it began with alone, so a run that is killed and goes on ends with the same bits.
 */
import type { CalibrationData } from '../calibration/data/calibration-data.js';
import { splitRows } from '../calibration/data/split.js';
import type { Runtime } from '../engine/runtime.js';
import { Fault, invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { Weights } from '../model/weights.js';
import { seededRandom, shuffle } from '../random.js';
import { freshState, type ParameterValues } from './adamw.js';
import { actionScale, batchSource, isDecisive, type BatchSource } from './batches.js';
import { Learner, parametersOf, shapesOf, type StepReport } from './learner.js';
import type { Recipe } from './recipe.js';
import { fingerprint, loadState, saveState, type RunState } from './state.js';
import { checkLossData, lossTerms } from './trained-losses.js';
import { betterThan, Validator, type Best, type Validation } from './validation.js';

export interface TrainOptions {
  readonly runtime: Runtime;
  readonly card: ModelCard;
  /** The model that it begins with. */
  readonly weights: Weights;
  readonly data: CalibrationData;
  readonly recipe: Recipe;
  /** Folder of the run's state, which exists. */
  readonly directory: string;
  /** Go on from the state that lies there, where one does. */
  readonly resume: boolean;
  /** Updates between two saved states; one is saved at each validation, too. */
  readonly saveEvery: number;
  /** Told where the run begins: 0, or the update that it goes on from. */
  readonly onStart?: (update: number) => void;
  readonly onUpdate?: (report: UpdateReport) => void;
  readonly onValidation?: (report: Validation & { readonly update: number; readonly best: boolean }) => void;
  /** Aborted: the run saves where it stands and ends as `cancelled`. */
  readonly signal?: AbortSignal;
}

/** `loss` and its companions are those of the update's last step. */
export interface UpdateReport extends Omit<StepReport, 'step' | 'update'> {
  readonly update: number;
  /** Updates in all, at most. */
  readonly updates: number;
  readonly epoch: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
}

export interface Trained {
  /** Of the best validation; the last ones where there was none. */
  readonly parameters: ParameterValues;
  readonly updates: number;
  readonly best?: Best;
  readonly rows: { readonly training: number; readonly validation: number };
  /** Contexts whose candidates differ in what they cost, among all that have candidates with costs. */
  readonly decisive?: { readonly contexts: number; readonly of: number };
  readonly stopped: 'epochs' | 'updates' | 'patience';
}

/** Errors: data that the losses cannot be made of; a tensor that is not finite, by name; `cancelled`; what reading refuses. */
export async function train(options: TrainOptions): Promise<Trained> {
  const run = await TrainingRun.open(options);
  return run.go();
}

class TrainingRun {
  private constructor(
    private readonly options: TrainOptions,
    private readonly source: BatchSource,
    private readonly learner: Learner,
    private readonly updates: number,
    private readonly validator: Validator | undefined,
    private readonly state: RunState,
    private readonly shapes: ReadonlyMap<string, readonly number[]>,
    private readonly mark: string,
    private readonly rows: { readonly fit: Int32Array; readonly heldOut: Int32Array },
    private readonly decisive: Trained['decisive'],
  ) {}

  static async open(options: TrainOptions): Promise<TrainingRun> {
    const { runtime, card, weights, data, recipe, directory, resume } = options;
    const kinds = recipe.losses.map(({ kind }) => kind);
    checkLossData(data, kinds);
    const scale = await actionScale(data, card);
    const source = batchSource(data, card, kinds, recipe.seed, scale, recipe.negatives);
    const rows = splitForTraining(data, recipe);
    const start = parametersOf(weights);
    const shapes = shapesOf(weights);
    const mark = fingerprint([
      recipe,
      card,
      runtime.device,
      data.sources,
      [...start].map(([name, v]) => [name, sumOf(v)]),
    ]);
    const state = (resume ? await loadState(directory, start, mark) : undefined) ?? {
      progress: { step: 0, epoch: 0, batch: 0, worse: 0 },
      parameters: start,
      optimiser: freshState(start),
      best: new Map([...start].map(([name, values]) => [name, values.slice()])),
    };
    const perEpoch = Math.floor(rows.fit.length / recipe.batch / recipe.accumulate);
    const updates = Math.min(recipe.mostUpdates, perEpoch * recipe.epochs);
    const terms = lossTerms(recipe, data, source.negatives);
    const { steps } = data;
    const learner = new Learner({ runtime, card, terms, recipe, steps, shapes, state, updates });
    const batches = await validationBatches(source, rows.heldOut, recipe.batch);
    const validator =
      batches.length > 0
        ? new Validator(runtime, card, data, source, batches, state.parameters, shapes, recipe.tau)
        : undefined;
    const decisive = await countDecisive(data);
    // prettier-ignore
    return new TrainingRun(options, source, learner, updates, validator, state, shapes, mark, rows, decisive);
  }

  async go(): Promise<Trained> {
    const { recipe, signal } = this.options;
    const { progress } = this.state;
    this.options.onStart?.(this.state.optimiser.updates);
    let stopped = this.end();
    for (; progress.epoch < recipe.epochs && stopped === undefined; progress.epoch++, progress.batch = 0) {
      let place = 0;
      for await (const rows of this.source.epoch(this.rows.fit, progress.epoch, recipe.batch)) {
        if (place++ < progress.batch) continue; // taken before the run was interrupted
        const batch = await this.source.read(rows, progress.epoch);
        const { update, ...figures } = await this.learner.learn(batch);
        progress.batch++;
        if (update === undefined) continue;
        this.tell(figures, update);
        stopped = await this.afterUpdate();
        if (stopped !== undefined) break;
        if (signal?.aborted) {
          await this.save();
          throw new Fault('cancelled', 'training was interrupted', {
            mend: 'Its state is saved: go on with --resume',
          });
        }
      }
      if (this.state.progress.step === 0) {
        throw invalid('data', 'no batch could be made', {
          found: `${this.rows.fit.length} rows for training`,
          wanted: `at least ${recipe.batch} whose chunks differ`,
          mend: 'Record more data, or take a smaller --batch',
        });
      }
      if (stopped !== undefined) break;
    }
    const { best, optimiser, parameters } = this.state;
    if (progress.best?.update !== optimiser.updates && stopped !== 'patience') await this.validate();
    await this.save();
    return {
      parameters: this.validator ? best : parameters,
      updates: optimiser.updates,
      ...(progress.best && { best: progress.best }),
      rows: { training: this.rows.fit.length, validation: this.rows.heldOut.length },
      ...(this.decisive && { decisive: this.decisive }),
      stopped: stopped ?? 'epochs',
    };
  }

  private tell(
    { loss, positiveEnergy, negativeEnergy, accuracy }: Omit<StepReport, 'update'>,
    { number, gradientNorm, learningRate }: NonNullable<StepReport['update']>,
  ): void {
    const figures = { loss, positiveEnergy, negativeEnergy, accuracy, gradientNorm, learningRate };
    const { epoch } = this.state.progress;
    this.options.onUpdate?.({ ...figures, update: number, updates: this.updates, epoch });
  }

  private async afterUpdate(): Promise<Trained['stopped'] | undefined> {
    const { recipe, saveEvery } = this.options;
    const { updates } = this.state.optimiser;
    const validates = updates > 0 && updates % recipe.validateEvery === 0;
    if (validates) await this.validate();
    if (validates || (updates > 0 && updates % saveEvery === 0)) await this.save();
    return this.end();
  }

  /** Why the run goes no further, also when it goes on from a saved state. */
  private end(): Trained['stopped'] | undefined {
    const { mostUpdates, patience } = this.options.recipe;
    if (this.state.optimiser.updates >= mostUpdates) return 'updates';
    return patience > 0 && this.state.progress.worse >= patience ? 'patience' : undefined;
  }

  private async validate(): Promise<void> {
    if (this.validator === undefined) return;
    const { progress, parameters, best, optimiser } = this.state;
    const figures = await this.validator.run();
    const better = betterThan(progress.best, figures, optimiser.updates);
    if (better !== undefined) {
      progress.best = better;
      progress.worse = 0;
      for (const [name, values] of best) values.set(parameters.get(name)!);
    } else progress.worse++;
    this.options.onValidation?.({ ...figures, update: optimiser.updates, best: better !== undefined });
  }

  private save(): Promise<void> {
    return saveState(this.options.directory, this.state, this.shapes, this.mark);
  }
}

function sumOf(values: Float32Array): number {
  return values.reduce((sum, value, i) => sum + value * (1 + (i % 97)), 0);
}

/** Whole episodes are held out (tasks or blocks where none are known), as many as make up the share. */
function splitForTraining(
  data: CalibrationData,
  { validationShare, seed, batch }: Recipe,
): { fit: Int32Array; heldOut: Int32Array } {
  const all = Int32Array.from({ length: data.rows }, (_, row) => row);
  if (validationShare === 0) return { fit: all, heldOut: new Int32Array(0) };
  const { clusters, clusterCount } = splitRows(data, seed);
  const order = shuffle(
    Int32Array.from({ length: clusterCount }, (_, i) => i),
    seededRandom(seed, 'validation'),
  );
  const held = new Set<number>();
  let count = 0;
  for (const cluster of order) {
    if (count >= validationShare * data.rows || held.size === clusterCount - 1) break;
    held.add(cluster);
    count += clusters.reduce((sum, each) => sum + (each === cluster ? 1 : 0), 0);
  }
  const fit = all.filter((row) => !held.has(clusters[row]!));
  if (fit.length < batch) {
    throw invalid('data', 'too few rows for a batch', {
      found: `${fit.length} for training, ${data.rows - fit.length} held out`,
      wanted: `at least ${batch} for training`,
      mend: 'Record more data, or take a smaller --batch or --validation',
    });
  }
  return { fit, heldOut: all.filter((row) => held.has(clusters[row]!)) };
}

/** The held-out rows in batches of one size; none where fewer than two rows are held out. */
async function validationBatches(source: BatchSource, rows: Int32Array, size: number): Promise<Int32Array[]> {
  const batches: Int32Array[] = [];
  for (
    let each = Math.min(size, rows.length);
    each >= 2 && batches.length === 0;
    each = Math.floor(each / 2)
  ) {
    for await (const batch of source.epoch(rows, -1, each)) batches.push(batch);
  }
  return batches;
}

async function countDecisive(data: CalibrationData): Promise<Trained['decisive']> {
  if (!data.hasCost) return undefined;
  let contexts = 0;
  for (let row = 0; row < data.rows; row++) if (isDecisive(await data.candidateCosts(row))) contexts++;
  return { contexts, of: data.rows };
}
