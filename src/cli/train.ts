/** `action-energy train DATA... -o DIR`: a model from data, new or from another one, without Python. */
import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { openCalibrationData } from '../calibration/data/calibration-data.js';
import { Runtime } from '../engine/runtime.js';
import { Fault, invalid } from '../errors.js';
import { loadBundle, readCard, saveBundle } from '../model/bundle.js';
import { CARD_FILE, type ModelCard } from '../model/card.js';
import type { Weights } from '../model/weights.js';
import { initialWeights } from '../training/initial.js';
import { TrainingLog, updateLine, validationLine } from '../training/log.js';
import {
  checkLosses,
  DEFAULT_RECIPE,
  parseLoss,
  parseNegatives,
  type Recipe,
  type WeightedLossKind,
} from '../training/recipe.js';
import type { NegativeFamily } from '../training/negatives.js';
import { STATE_FILE } from '../training/state.js';
import { shapesOf } from '../training/learner.js';
import { train } from '../training/train.js';
import { trainedCard, trainedWeights } from '../training/trained-card.js';
import { makeFolder } from '../weights/folder.js';
import { whole } from './engine-flags.js';
import { TrainingDisplay, reportTrained } from './train-output.js';

interface Flags {
  readonly output: string;
  readonly from?: string;
  readonly card?: string;
  readonly loss?: readonly WeightedLossKind[];
  readonly tau?: number;
  readonly negatives?: readonly NegativeFamily[];
  readonly batch: number;
  readonly accumulate: number;
  readonly epochs: number;
  readonly updates?: number;
  readonly lr: number;
  readonly weightDecay: number;
  readonly schedule: Recipe['schedule'];
  readonly ramp: number;
  readonly energyWarmSteps: number;
  readonly clip: number;
  readonly dropout: number;
  readonly seed: number;
  readonly validation: number;
  readonly validateEvery: number;
  readonly patience: number;
  readonly saveEvery: number;
  readonly threads: number;
  readonly resume?: true;
  readonly force?: true;
  readonly json?: true;
}

const HELP = `
Data: the layout of calibrate, one file or several shards (safetensors may be larger than memory). Losses over outcomes
need more of it:
  rank, listwise   candidates [M,N,H,A] and candidate_cost [M,N]: each candidate tried from the same saved state
  outcome          outcome [M]: 1 where what was executed came to success, else 0; only beside swap or explicit

Losses (weighted sum; KIND or KIND:WEIGHT): swap and explicit InfoNCE, hinge, margin, alignment (second order), rank, listwise,
outcome. Negatives of explicit and hinge (--negatives): explicit (given in the data), layer, layer_noise, policy, candidates,
noise, time_shift, amplitude, direction, gripper_flip; by default all that the data and the card allow.

Every episode is wholly for training or wholly held out. The weights that are kept are those of the best validation: by regret
among candidates where the data have costs, else by InfoNCE. OUTPUT.training/ holds the state (--resume after a kill gives the
same bits as no kill), log.jsonl, tensorboard/ and metrics.prom (for node exporter's textfile collector). OUTPUT/weights.safetensors is a state dict that PyTorch loads.

Examples:
  action-energy train data/*.safetensors --card energy.json -o models/new
  action-energy train branches.safetensors --from models/new --loss rank --loss swap:0.1 --lr 1e-4 -o models/better
  action-energy train data/*.safetensors --card energy.json -o models/new --resume`;

export function trainCommand(): Command {
  const d = DEFAULT_RECIPE;
  return new Command('train')
    .description('train an energy model, new or from a bundle, and write it as a bundle')
    .argument('<data...>', 'safetensors, .npz or .pt; several files are shards of one data set')
    .requiredOption('-o, --output <dir>', 'bundle to write')
    .option('--from <dir>', 'bundle to begin with')
    .option('--card <file>', 'card of a new model (energy.json)')
    .option('--loss <kind[:weight]>', 'may be repeated (default: swap)', collectLoss)
    .option('--tau <x>', "temperature of InfoNCE (default: the card's)", above(0))
    .option('--negatives <kinds>', 'of explicit and hinge, by comma (default: all)', parseNegatives)
    .option('--batch <count>', 'pairs of a step (B)', whole(2), d.batch)
    .option('--accumulate <count>', 'steps averaged for one update', whole(1), d.accumulate)
    .option('--epochs <count>', 'passes over the data', whole(1), d.epochs)
    .option('--updates <count>', 'end after so many updates', whole(1))
    .option('--lr <x>', 'learning rate', above(0), d.learningRate)
    .option('--weight-decay <x>', 'decoupled', between(0, 1), d.weightDecay)
    .addOption(
      new Option('--schedule <name>', 'of the learning rate')
        .choices(['constant', 'cosine'])
        .default(d.schedule),
    )
    .option('--ramp <updates>', 'the learning rate rises over so many updates', whole(0), d.rampUpdates)
    .option(
      '--energy-warm-steps <count>',
      'no update in the first so many steps',
      whole(0),
      d.energyWarmSteps,
    )
    .option('--clip <norm>', 'greatest global norm of a gradient', above(0), d.clip)
    .option('--dropout <share>', 'of the query units', between(0, 1), d.dropout)
    .option('--seed <number>', 'of everything that is drawn', whole(0), d.seed)
    .option('--validation <share>', 'of the rows, whole episodes; 0: none', between(0, 1), d.validationShare)
    .option('--validate-every <updates>', 'updates between validations', whole(1), d.validateEvery)
    .option(
      '--patience <count>',
      'end after so many validations without a better one; 0: never',
      whole(0),
      d.patience,
    )
    .option('--save-every <updates>', 'updates between saved states', whole(1), 200)
    .option('--threads <count>', 'CPU threads, 0: one a core', whole(0), 0)
    .option('--resume', 'go on from the saved state')
    .option('--force', 'replace a bundle and a state that are there; allow outcome alone')
    .option('--json', 'print JSON, no progress bar')
    .addHelpText('after', HELP)
    .action(runTrain);
}

async function runTrain(files: string[], flags: Flags): Promise<void> {
  const losses = flags.loss ?? DEFAULT_RECIPE.losses;
  checkLosses(losses, flags.force === true, {
    field: '--loss',
    mend: 'Add --loss swap, or take --force',
  });
  const { card, weights } = await startingPoint(flags);
  const directory = `${flags.output}.training`;
  await checkPlaces(flags, directory);
  await makeFolder(directory);
  const recipe: Recipe = {
    losses,
    tau: flags.tau ?? card.tau,
    ...(flags.negatives && { negatives: flags.negatives }),
    batch: flags.batch,
    accumulate: flags.accumulate,
    epochs: flags.epochs,
    mostUpdates: flags.updates ?? Infinity,
    learningRate: flags.lr,
    weightDecay: flags.weightDecay,
    schedule: flags.schedule,
    rampUpdates: flags.ramp,
    energyWarmSteps: flags.energyWarmSteps,
    clip: flags.clip,
    dropout: flags.dropout,
    seed: flags.seed,
    validationShare: flags.validation,
    validateEvery: flags.validateEvery,
    patience: flags.patience,
  };
  const data = await openCalibrationData(files, card);
  const threads = flags.threads || availableParallelism();
  const runtime = new Runtime({ provider: 'cpu', threads, deviceId: 0 });
  const abort = new AbortController();
  const onSignal = (): void => abort.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const display = new TrainingDisplay(flags.json === true);
  const log = new TrainingLog(directory, path.basename(path.resolve(flags.output)), flags.resume === true);
  try {
    const { signal } = abort;
    const { resume = false, saveEvery } = flags;
    const trained = await train({
      ...{ runtime, card, weights, data, recipe, directory, resume, saveEvery, signal },
      onStart: (update) => log.begin(update),
      onUpdate: (report) => {
        log.write(updateLine(report));
        display.update(report.update, report.updates, report.loss, report.learningRate);
      },
      onValidation: (report) => {
        const line = validationLine(report);
        log.write(line);
        display.validation(line);
      },
    });
    display.stop();
    const name = path.basename(path.resolve(flags.output));
    const named = trainedCard(card, name, recipe.tau, trained.parameters);
    const tensors = trainedWeights(trained.parameters, shapesOf(weights));
    const { digest } = await saveBundle(flags.output, named, tensors, { force: flags.force === true });
    reportTrained(flags, trained, digest, log.file);
  } finally {
    display.stop();
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
    await runtime.release();
    await data.close();
  }
}

async function startingPoint({ from, card, seed }: Flags): Promise<{ card: ModelCard; weights: Weights }> {
  if ((from === undefined) === (card === undefined)) {
    throw invalid('--from', 'what to begin with is not clear', {
      found: from === undefined ? 'neither --from nor --card' : 'both --from and --card',
      wanted: '--from DIR to go on with a model, or --card FILE for a new one',
    });
  }
  if (from !== undefined) return loadBundle(from);
  const parsed = await readCard(String(card));
  return { card: parsed, weights: initialWeights(parsed, seed) };
}

/** Refuses before an hour of training what would be refused after it. */
async function checkPlaces({ output, resume, force }: Flags, directory: string): Promise<void> {
  const exists = async (file: string): Promise<boolean> =>
    access(file).then(
      () => true,
      () => false,
    );
  if (!force && (await exists(path.join(output, CARD_FILE)))) {
    throw new Fault('precondition', 'a model bundle is already there', {
      field: output,
      mend: 'Choose another directory, or replace it with --force',
    });
  }
  if (!force && !resume && (await exists(path.join(directory, STATE_FILE)))) {
    throw new Fault('precondition', 'a training run was begun here', {
      field: directory,
      mend: 'Go on with it: --resume; or begin anew: --force',
    });
  }
}

function collectLoss(text: string, before: readonly WeightedLossKind[] = []): readonly WeightedLossKind[] {
  return [...before, parseLoss(text)];
}

function above(lowest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (value > lowest && value < Infinity) return value;
    throw new InvalidArgumentError(`a number above ${lowest} is wanted.`);
  };
}

function between(lowest: number, beyond: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= lowest && value < beyond) return value;
    throw new InvalidArgumentError(`a number from ${lowest} to below ${beyond} is wanted.`);
  };
}
