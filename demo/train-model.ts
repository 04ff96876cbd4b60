/**
 * A model of the demo: swap and explicit InfoNCE on experts' chunks, then, from there, ranking by what the policy's own
 * candidates came to. Both runs are `action-energy train`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CARD_FORMAT } from '../src/model/card.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { writeSafetensors } from '../src/weights/safetensors.js';
import { actionEnergy, type Output } from './command.js';
import { D } from './hidden-states.js';
import {
  asSampled,
  CHOICE_COLUMNS,
  columns,
  CONTEXT_COLUMNS,
  recordMoments,
  type Recorded,
} from './moments.js';
import { FAULTS } from './policy.js';
import { A, GRIPPER, H } from './world.js';

export interface TrainingSizes {
  /** Moments to train on. */
  readonly rows: number;
  /** N of their candidates. */
  readonly candidates: number;
  /** Updates on experts, and on outcomes. */
  readonly updates: number;
  readonly rankUpdates: number;
}

export interface ModelOptions {
  /** Of the model, and folder of the bundle in `directory`/models. */
  readonly name: string;
  readonly directory: string;
  readonly sizes: TrainingSizes;
  readonly seed: number;
  /** Trained with the contexts of other moments: it sees nothing of where it is. */
  readonly isBlind: boolean;
  readonly output: Output;
}

/** Share of the decisions in which the expert acts while data are recorded. */
const HELPED = 0.4;

/** All but its name. */
export const CARD = {
  format: CARD_FORMAT,
  architecture: 'cross_attention',
  activation: 'relu',
  readout: { kind: 'linear' },
  state_dim: D,
  action_dim: A,
  hidden: 64,
  heads: 4,
  blocks: { state: 1, action: 1, head: 2 },
  chunk: H,
  tau: 0.5,
  actions: {
    units: 'normalized_q99',
    gripper: { index: GRIPPER, coding: 'zero_one' },
    names: ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'],
  },
  mask_polarity: 'true_is_ignored',
};

/** What both runs share; the same number of threads gives the same bits. */
const FLAGS = ['--batch', '32', '--epochs', '100000', '--schedule', 'cosine', '--ramp', '50', '--dropout', '0.05', '--patience', '0', '--threads', '2', '--force']; // prettier-ignore

/** The bundle's folder. */
export async function trainModel(options: ModelOptions): Promise<string> {
  const { name, directory, sizes, seed, isBlind, output } = options;
  const work = path.join(directory, `${name}-training`);
  await mkdir(work, { recursive: true });
  const recording = { faults: FAULTS, seed, candidates: sizes.candidates, propose: asSampled };
  const recorded = await recordMoments({ ...recording, rows: sizes.rows, helped: HELPED, share: 1 });
  const experts = await dataFile(path.join(work, 'experts.safetensors'), recorded, CONTEXT_COLUMNS, isBlind);
  const outcomes = await dataFile(
    path.join(work, 'outcomes.safetensors'),
    recorded,
    [...CONTEXT_COLUMNS, ...CHOICE_COLUMNS],
    isBlind,
  );
  const card = path.join(work, 'card.json');
  await writeFile(card, JSON.stringify({ ...CARD, name }));
  const before = path.join(work, 'infonce');
  const bundle = path.join(directory, 'models', name);
  const run = (data: string, to: string, updates: number, ...more: readonly string[]): Promise<void> =>
    actionEnergy(
      output,
      ...['train', data, '-o', to, ...more, ...FLAGS, '--seed', String(seed)],
      ...['--updates', String(updates), '--validate-every', String(Math.max(1, Math.floor(updates / 8)))],
    );
  await run(experts, before, sizes.updates, ...['--card', card, '--loss', 'swap', '--loss', 'explicit:0.5', '--lr', '2e-3']); // prettier-ignore
  await run(outcomes, bundle, sizes.rankUpdates, ...['--from', before, '--loss', 'rank', '--loss', 'swap:0.2', '--loss', 'explicit:0.1', '--lr', '1e-3']); // prettier-ignore
  return bundle;
}

async function dataFile(
  file: string,
  recorded: readonly Recorded[],
  names: readonly string[],
  isBlind: boolean,
): Promise<string> {
  const tensors = columns(recorded, names);
  if (isBlind) {
    // contexts of moments far away
    const shift = Math.floor(recorded.length / 2);
    const elsewhere = [...recorded.slice(shift), ...recorded.slice(0, shift)];
    for (const [name, tensor] of columns(elsewhere, ['hidden', 'pad_mask'])) tensors.set(name, tensor);
  }
  await writeTensors(file, tensors);
  return file;
}

export async function writeTensors(file: string, tensors: ReadonlyMap<string, Tensor>): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, writeSafetensors(new Map(tensors)));
}
