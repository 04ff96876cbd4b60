/**
 * The loop of a training run: batches, steps, updates, validations, saved states. What it does depends on recipe, data and the
 * weights that it began with alone, so a run that is killed and goes on ends with the same bits.
 */
import type { CalibrationData } from '../calibration/data/calibration-data.js';
import { splitRows } from '../calibration/data/split.js';
import { ALIGNMENT_SIGMAS, type LossTerm } from '../energy/loss-terms.js';
import type { Runtime } from '../engine/runtime.js';
import { Fault, invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { Weights } from '../model/weights.js';
import { seededRandom, shuffle } from '../random.js';
import { toFloat32 } from '../tensor/tensor.js';
import { ADAMW, adamwUpdate, clipFactor, freshState, globalNorm, type ParameterValues } from './adamw.js';
import { batchSource, isDecisive, type BatchSource } from './batches.js';
import { learningRateAt, type Recipe, type TrainedLoss } from './recipe.js';
import { fingerprint, loadState, saveState, type RunState } from './state.js';
import { TrainingStep, type StepResult } from './step.js';
import { Validator, valueOfModel, type Validation } from './validation.js';

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

export interface UpdateReport extends Omit<StepResult, 'gradients'> {
  readonly update: number;
  /** Updates in all, at most. */
  readonly updates: number;
  readonly epoch: number;
  /** Before clipping; NaN in a step that made no update. */
  readonly gradientNorm: number;
  readonly learningRate: number;
}

export interface Trained {
  /** Of the best validation; the last ones where there was none. */
  readonly parameters: ParameterValues;
  readonly updates: number;
  readonly best?: { readonly value: number; readonly update: number };
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
    private readonly step: TrainingStep,
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
    checkData(data, kinds);
    const source = await batchSource(data, card, kinds, recipe.seed, recipe.negatives);
    const rows = splitForTraining(data, recipe);
    const start = parametersOf(weights);
    const shapes = new Map([...weights].map(([name, { shape }]) => [name, shape]));
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
    const terms = recipe.losses.map(({ kind, weight }) => ({
      term: termOf(kind, recipe, data, source),
      weight,
    }));
    const shape = { pairs: recipe.batch, steps: data.steps, dropout: recipe.dropout };
    const step = new TrainingStep(runtime, card, terms, shape, state.parameters, shapes);
    const batches = await validationBatches(source, rows.heldOut, recipe.batch);
    const validator =
      batches.length > 0
        ? new Validator(runtime, card, data, source, batches, state.parameters, shapes, recipe.tau)
        : undefined;
    const decisive = await countDecisive(data);
    return new TrainingRun(options, source, step, validator, state, shapes, mark, rows, decisive);
  }

  async go(): Promise<Trained> {
    const { recipe, signal } = this.options;
    const { progress } = this.state;
    const perEpoch = Math.floor(this.rows.fit.length / recipe.batch / recipe.accumulate);
    const updates = Math.min(recipe.mostUpdates, perEpoch * recipe.epochs);
    const gathered = recipe.accumulate > 1 ? freshState(this.state.parameters).first : undefined;
    this.options.onStart?.(this.state.optimiser.updates);
    let stopped = this.end();
    for (; progress.epoch < recipe.epochs && stopped === undefined; progress.epoch++, progress.batch = 0) {
      let place = 0;
      for await (const rows of this.source.epoch(this.rows.fit, progress.epoch, recipe.batch)) {
        if (place++ < progress.batch) continue; // taken before the run was interrupted
        const batch = await this.source.read(rows, progress.epoch);
        const result = await this.step.run(batch, seededRandom(recipe.seed, `dropout ${progress.step}`));
        const gradients = gathered ? gather(gathered, result.gradients, recipe.accumulate) : result.gradients;
        progress.step++;
        progress.batch++;
        if (progress.step % recipe.accumulate !== 0) continue;
        this.update(result, gradients, updates);
        if (gathered) for (const values of gathered.values()) values.fill(0);
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

  private update(result: StepResult, gradients: ParameterValues, updates: number): void {
    const { recipe, onUpdate } = this.options;
    const { progress, optimiser, parameters } = this.state;
    const rate = learningRateAt(recipe, optimiser.updates, updates);
    const norm = globalNorm(gradients);
    const warm = progress.step <= recipe.energyWarmSteps;
    if (!warm) {
      const { weightDecay } = recipe;
      adamwUpdate(parameters, gradients, optimiser, rate, clipFactor(norm, recipe.clip), {
        ...ADAMW,
        weightDecay,
      });
    }
    const { loss, positiveEnergy, negativeEnergy, accuracy } = result;
    onUpdate?.({
      update: optimiser.updates,
      updates,
      epoch: progress.epoch,
      loss,
      positiveEnergy,
      negativeEnergy,
      accuracy,
      gradientNorm: norm,
      learningRate: warm ? 0 : rate,
    });
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
    const value = valueOfModel(figures);
    const better = progress.best === undefined || value < progress.best.value;
    if (better) {
      progress.best = { value, update: optimiser.updates };
      progress.worse = 0;
      for (const [name, values] of best) values.set(parameters.get(name)!);
    } else progress.worse++;
    this.options.onValidation?.({ ...figures, update: optimiser.updates, best: better });
  }

  private save(): Promise<void> {
    return saveState(this.options.directory, this.state, this.shapes, this.mark);
  }
}

function parametersOf(weights: Weights): ParameterValues {
  return new Map([...weights].map(([name, tensor]) => [name, toFloat32(name, tensor).slice()]));
}

function sumOf(values: Float32Array): number {
  return values.reduce((sum, value, i) => sum + value * (1 + (i % 97)), 0);
}

/** `gathered += gradients / count`. */
function gather(gathered: ParameterValues, gradients: ParameterValues, count: number): ParameterValues {
  for (const [name, values] of gathered) {
    const gradient = gradients.get(name)!;
    for (let i = 0; i < values.length; i++) values[i]! += gradient[i]! / count;
  }
  return gathered;
}

function termOf(kind: TrainedLoss, { tau }: Recipe, data: CalibrationData, source: BatchSource): LossTerm {
  switch (kind) {
    case 'swap':
    case 'outcome':
      return { kind, tau };
    case 'explicit':
      return { kind, tau, negatives: source.negatives };
    case 'hinge':
      return { kind, negatives: source.negatives };
    case 'margin':
      return { kind };
    case 'alignment':
      return { kind, noises: ALIGNMENT_SIGMAS.length };
    case 'rank':
    case 'listwise':
      return { kind, tau, candidates: data.candidates };
  }
}

function checkData(data: CalibrationData, kinds: readonly TrainedLoss[]): void {
  const ranked = kinds.find((kind) => kind === 'rank' || kind === 'listwise');
  if (ranked !== undefined && !data.hasCost) {
    throw invalid('candidate_cost', `the data have none, and ${ranked} is over what candidates cost`, {
      wanted: 'candidates [M, N, H, A] and candidate_cost [M, N]',
    });
  }
  if (kinds.includes('outcome') && data.outcome === undefined) {
    throw invalid('outcome', 'the data have none', {
      wanted: 'outcome [M]: 1 after success, 0 after failure',
    });
  }
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
