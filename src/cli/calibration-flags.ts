/** What calibrate, evaluate and doctor share: their flags, the opened bundle, engine and data, and the progress bar. */
import { SingleBar } from 'cli-progress';
import { InvalidArgumentError, type Command } from 'commander';
import { CALIBRATE_DEFAULTS } from '../calibration/calibrate.js';
import { openCalibrationData, type CalibrationData } from '../calibration/data/calibration-data.js';
import type { Engine } from '../engine/engine.js';
import { loadBundle, type ModelBundle } from '../model/bundle.js';
import { engineFlags, startEngineFor, whole, type EngineFlags } from './engine-flags.js';
import { interruptible } from './output.js';

export interface PassFlags extends EngineFlags {
  readonly batch: number;
  readonly seed: number;
  readonly nearDuplicate: number;
  readonly html?: string;
  readonly json?: true;
}

export function passFlags(command: Command): Command {
  return passOptionFlags(engineFlags(command));
}

/** The flags of a pass wherever it runs. */
export function passOptionFlags(command: Command): Command {
  const { batch, seed, nearDuplicate } = CALIBRATE_DEFAULTS;
  return command
    .option('--batch <count>', 'contexts and chunks compared with each other (B)', whole(2), batch)
    .option('--seed <number>', 'of the split, the batches, and the made negatives', whole(0), seed)
    .option(
      '--near-duplicate <distance>',
      'RMS distance in action units below which a chunk of the same task is no negative',
      nonNegative,
      nearDuplicate,
    )
    .option('--json', 'print JSON, no progress bar');
}

/** Flags as the calibration's options. */
export function passOptions({ batch, seed, nearDuplicate }: PassFlags): {
  batch: number;
  seed: number;
  nearDuplicate: number;
} {
  return { batch, seed, nearDuplicate };
}

function nonNegative(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0 && text.trim() !== '') return value;
  throw new InvalidArgumentError('a number of at least 0 is wanted.');
}

export interface Opened {
  readonly bundle: ModelBundle;
  readonly engine: Engine;
  readonly data: CalibrationData | undefined;
}

/**
 * Opens bundle, data (none for no files) and engine, in this order; closes what was opened, also when `use` fails. Ctrl-C while
 * they open says that nothing was written.
 */
export async function withOpened<T>(
  directory: string,
  files: readonly string[],
  flags: EngineFlags,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const kept = 'nothing was written';
  const { bundle, data } = await interruptible(kept, async () => {
    const loaded = await loadBundle(directory);
    const opened = files.length > 0 ? await openCalibrationData(files, loaded.card) : undefined;
    return { bundle: loaded, data: opened };
  });
  try {
    const engine = await interruptible(kept, () => startEngineFor(bundle, flags));
    try {
      return await use({ bundle, engine, data });
    } finally {
      await engine.close();
    }
  } finally {
    await data?.close();
  }
}

/** A bar on stderr when a person watches, nothing otherwise. Ctrl-C ends the work and says what is `kept`. */
export async function withProgress<T>(
  total: number,
  quiet: boolean,
  run: (onRows: (count: number) => void) => Promise<T>,
  kept = 'nothing was written',
): Promise<T> {
  if (quiet || !process.stderr.isTTY) return interruptible(kept, () => run(() => undefined));
  const bar = new SingleBar({
    stream: process.stderr,
    format: '{bar} {percentage}%  {value}/{total} contexts  {eta_formatted} left',
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(total, 0);
  try {
    return await interruptible(kept, () => run((count) => bar.increment(count)));
  } finally {
    bar.stop();
  }
}
