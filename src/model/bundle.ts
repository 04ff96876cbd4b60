/** A model bundle: a folder with `energy.json` (the card) and `weights.safetensors`. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Fault, invalid } from '../errors.js';
import { makeFolder } from '../weights/folder.js';
import { readWholeFile, type ReadBounds } from '../weights/file.js';
import { readSafetensors, writeSafetensors } from '../weights/safetensors.js';
import { describeWeights } from './architecture.js';
import { cardContradictions, parseCard, weightsContradictions } from './card-checks.js';
import { CARD_FILE, WEIGHTS_FILE, type ModelCard } from './card.js';
import { STEP_WEIGHTS } from './parameters.js';
import { learnedWeights } from './energy.js';
import { refuse, type Problem } from './problems.js';
import { nonFiniteWeights, weightValues, type Weights } from './weights.js';

export interface ModelBundle {
  readonly directory: string;
  readonly card: ModelCard;
  readonly weights: Weights;
  /** Hex sha256 of the bytes of `weights.safetensors`: what a calibration belongs to. */
  readonly digest: string;
}

/** A card is a page of text. */
const MAX_CARD_BYTES = 1024 ** 2;

/**
 * Reads and checks a bundle. Errors: `not_found` (no such directory, or not a bundle), `invalid` a part that is no regular file
 * or too large, every problem of the card, or every contradiction between card and weights and every non-finite tensor;
 * the reason of `signal`.
 */
export async function loadBundle(directory: string, signal?: AbortSignal): Promise<ModelBundle> {
  const bounds = signal === undefined ? {} : { signal };
  const card = await partOf(path.join(directory, CARD_FILE), (file) => readCard(file, bounds));
  const weightsFile = path.join(directory, WEIGHTS_FILE);
  const bytes = await partOf(weightsFile, (file) => readWholeFile(file, bounds));
  const { tensors } = readSafetensors(weightsFile, bytes);
  checkBundle(directory, card, tensors);
  return { directory, card, weights: tensors, digest: digestOf(bytes) };
}

/** The card in a file by itself. Errors: those of `readWholeFile` and of `parseCard`. */
export async function readCard(file: string, bounds: Pick<ReadBounds, 'signal'> = {}): Promise<ModelCard> {
  const bytes = await readWholeFile(file, { ...bounds, maxBytes: MAX_CARD_BYTES });
  return parseCard(new TextDecoder().decode(bytes), file);
}

/**
 * Refuses a card and weights that do not belong together: every contradiction inside the card, between card and weights,
 * every missing, unexpected or wrong-shaped tensor and every non-finite one, in one fault.
 */
export function checkBundle(field: string, card: ModelCard, weights: Weights): void {
  const described = describeWeights(field, weights);
  const problems = [
    ...cardContradictions(card),
    ...weightsContradictions(card, described),
    ...described.problems,
  ];
  refuse(field, problems);
  refuse(field, nonFiniteWeights(weights));
  refuse(field, poolContradictions(card, weights));
}

/** Learned weights of the steps stand in the card, where requests find them, and come from a parameter: both must agree. */
function poolContradictions({ pool }: ModelCard, weights: Weights): Problem[] {
  if (pool.kind !== 'weighted' || !pool.learned) return [];
  const learned = learnedWeights(weightValues(weights, STEP_WEIGHTS));
  const at = learned.findIndex((weight, t) => !(Math.abs(weight - pool.weights![t]!) <= 1e-9));
  if (at < 0) return [];
  return [
    {
      field: `${CARD_FILE}: pool.weights.${at}`,
      summary: `not the softmax of ${STEP_WEIGHTS}`,
      found: String(pool.weights![at]),
      wanted: String(learned[at]),
    },
  ];
}

/**
 * Checks and writes a bundle, whole or not at all: a directory beside it is filled, flushed and renamed. `force` replaces
 * an existing bundle with everything in it, its calibration included (it belonged to other weights or another card); when
 * that fails the old one is put back. Permissions are those that the umask leaves. Errors: `precondition` when the directory exists and is not to be, or must not be, replaced.
 */
export async function saveBundle(
  directory: string,
  card: ModelCard,
  weights: Weights,
  options: { readonly force?: boolean } = {},
): Promise<ModelBundle> {
  checkBundle(directory, card, weights);
  const target = path.resolve(directory);
  const replaces = await checkTarget(target, options.force === true);
  const bytes = writeSafetensors(weights, new Map([['format', 'pt']]));
  const parent = path.dirname(target);
  await makeFolder(parent);
  // mkdtemp makes a private directory; the bundle inside it gets the permissions of any other
  const workshop = await mkdtemp(path.join(parent, `.${path.basename(target)}.new-`));
  const made = path.join(workshop, 'bundle');
  const old = path.join(workshop, 'old');
  try {
    await mkdir(made);
    await writeFlushed(path.join(made, WEIGHTS_FILE), bytes);
    await writeFlushed(path.join(made, CARD_FILE), `${JSON.stringify(card, null, 2)}\n`);
    if (replaces) await rename(target, old);
    try {
      await rename(made, target);
    } catch (error) {
      if (replaces) await rename(old, target);
      throw error;
    }
  } catch (error) {
    if ((await readdir(workshop)).includes('old')) {
      throw new Fault('precondition', 'could not be replaced, and the old bundle could not be put back', {
        field: target,
        found: (error as Error).message,
        mend: `The old bundle lies in ${old}: move it back.`,
        cause: error,
      });
    }
    await rm(workshop, { recursive: true, force: true });
    throw error;
  }
  await rm(workshop, { recursive: true, force: true });
  return { directory, card, weights, digest: digestOf(bytes) };
}

/** True when there is a bundle to replace. */
async function checkTarget(target: string, force: boolean): Promise<boolean> {
  let entries: string[];
  try {
    entries = await readdir(target);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw invalid(target, 'cannot be written as a directory', { found: (cause as Error).message, cause });
  }
  if (entries.length === 0) return false; // rename replaces an empty directory
  if (!entries.includes(CARD_FILE)) {
    throw new Fault('precondition', 'exists and is not a model bundle', {
      field: target,
      found: entries.slice(0, 5).join(', '),
      wanted: 'a new or empty directory',
    });
  }
  if (!force) {
    throw new Fault('precondition', 'a model bundle is already there', {
      field: target,
      mend: 'Choose another directory, or replace it with --force',
    });
  }
  return true;
}

/** A file that is missing is told as what it is a part of. */
async function partOf<T>(file: string, read: (file: string) => Promise<T>): Promise<T> {
  try {
    return await read(file);
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'not_found') throw error;
    throw new Fault('not_found', 'no such file', {
      field: file,
      wanted: `a model bundle: a directory with ${CARD_FILE} and ${WEIGHTS_FILE}`,
      mend: 'Make one with: action-energy import CHECKPOINT -o DIRECTORY',
      cause: error,
    });
  }
}

async function writeFlushed(file: string, data: Uint8Array | string): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
