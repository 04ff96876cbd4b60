/**
 * A run that can be killed at any moment: what it needs to go on lies in one safetensors file, replaced in one piece after it
 * was flushed, so that there is always a whole one. Going on from it gives the bits that an undisturbed run has.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { Fault, invalid } from '../errors.js';
import { toFloat32, float32Tensor, type Tensor } from '../tensor/tensor.js';
import { readSafetensors, writeSafetensors } from '../weights/safetensors.js';
import type { AdamWState, ParameterValues } from './adamw.js';
import type { Best } from './validation.js';

export const STATE_FILE = 'state.safetensors';

/** Where in the run it stands; plain numbers. */
export interface Progress {
  /** Steps that were made, updates or not. */
  step: number;
  epoch: number;
  /** Batches of this epoch that were taken. */
  batch: number;
  /** Lower is better; absent before the first validation. */
  best?: Best;
  /** Validations since. */
  worse: number;
}

export interface RunState {
  readonly progress: Progress;
  readonly parameters: ParameterValues;
  readonly optimiser: AdamWState;
  /** Parameters of the best validation. */
  readonly best: ParameterValues;
}

/** What must be the same for a run to go on: recipe, data and the model that it began with. */
export function fingerprint(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

export async function saveState(
  directory: string,
  state: RunState,
  shapes: ReadonlyMap<string, readonly number[]>,
  mark: string,
): Promise<void> {
  const tensors = new Map<string, Tensor>();
  const put = (prefix: string, values: ParameterValues): void => {
    for (const [name, each] of values)
      tensors.set(`${prefix}/${name}`, float32Tensor(shapes.get(name)!, each));
  };
  put('parameter', state.parameters);
  put('first', state.optimiser.first);
  put('second', state.optimiser.second);
  put('best', state.best);
  const metadata = new Map([
    ['progress', JSON.stringify(state.progress)],
    ['updates', String(state.optimiser.updates)],
    ['fingerprint', mark],
  ]);
  const file = path.join(directory, STATE_FILE);
  const part = `${file}.part`;
  const handle = await open(part, 'w');
  try {
    await handle.writeFile(writeSafetensors(tensors, metadata));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(part, file);
}

/** Undefined when there is none. Errors: `precondition` for a state of another run. */
export async function loadState(
  directory: string,
  parameters: ParameterValues,
  mark: string,
): Promise<RunState | undefined> {
  const file = path.join(directory, STATE_FILE);
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(await readFile(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const { tensors, metadata } = readSafetensors(file, bytes);
  const entry = (name: string): string => {
    const text = metadata.get(name);
    if (text === undefined) throw invalid(file, 'not the state of a training run', { found: `no ${name}` });
    return text;
  };
  if (entry('fingerprint') !== mark) {
    throw new Fault('precondition', 'is of a run with other settings, data or weights', {
      field: file,
      mend: 'Run with the settings that it began with, or begin anew with --force',
    });
  }
  const part = (prefix: string): ParameterValues =>
    new Map(
      [...parameters.keys()].map((name) => {
        const key = `${prefix}/${name}`;
        const tensor = tensors.get(key);
        if (tensor === undefined) throw invalid(file, 'not the state of this model', { found: `no ${key}` });
        return [name, toFloat32(key, tensor).slice()];
      }),
    );
  return {
    progress: JSON.parse(entry('progress')) as Progress,
    parameters: part('parameter'),
    optimiser: { updates: Number(entry('updates')), first: part('first'), second: part('second') },
    best: part('best'),
  };
}
