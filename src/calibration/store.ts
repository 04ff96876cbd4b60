/**
 * Keeping a calibration in its bundle. Written to a file beside it, flushed and renamed: whoever reads, and whatever kills
 * the writer, finds the old calibration or the new one, whole. What a killed writer left behind the next one removes.
 */
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Fault, invalid } from '../errors.js';
import { CALIBRATION_FILE, calibrationSchema, type Calibration } from './schema.js';

/** `.calibration.json.PID.tmp` */
const LEFTOVER = new RegExp(`^\\.${CALIBRATION_FILE.replace('.', '\\.')}\\.(\\d+)\\.tmp$`);

/** Errors: those of the file system. */
export async function saveCalibration(bundleDirectory: string, calibration: Calibration): Promise<string> {
  await removeLeftovers(bundleDirectory);
  const target = path.join(bundleDirectory, CALIBRATION_FILE);
  const temporary = path.join(bundleDirectory, `.${CALIBRATION_FILE}.${process.pid}.tmp`);
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(`${JSON.stringify(calibration)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  // the rename itself must survive a power failure too
  const directory = await open(bundleDirectory, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
  return target;
}

/**
 * The bundle's calibration, or undefined when it has none. Errors: `invalid` when the file is not a calibration,
 * `precondition` when it belongs to other weights than those of `weightsDigest` (hex sha256).
 */
export async function loadCalibration(
  bundleDirectory: string,
  weightsDigest: string,
): Promise<Calibration | undefined> {
  const file = path.join(bundleDirectory, CALIBRATION_FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw invalid(file, 'cannot be read', { found: (cause as Error).message, cause });
  }
  const calibration = parseCalibration(text, file);
  if (calibration.model.weights_digest !== weightsDigest) {
    throw new Fault('precondition', "another model's calibration", {
      field: `${file}: model.weights_digest`,
      found: calibration.model.weights_digest,
      wanted: weightsDigest,
      mend: 'Calibrate these weights: action-energy calibrate MODEL DATA',
    });
  }
  return calibration;
}

/** Errors: `invalid` naming every field that does not fit. */
export function parseCalibration(text: string, field = CALIBRATION_FILE): Calibration {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(field, 'not JSON', { found: (cause as Error).message, cause });
  }
  const parsed = calibrationSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path: at, message }) => `${at.join('.') || 'file'}: ${message}`);
  throw invalid(field, 'not a calibration', {
    found: issues.slice(0, 20).join('; '),
    mend: 'Calibrate again: action-energy calibrate MODEL DATA',
  });
}

async function removeLeftovers(bundleDirectory: string): Promise<void> {
  for (const name of await readdir(bundleDirectory)) {
    const pid = LEFTOVER.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await rm(path.join(bundleDirectory, name), { force: true });
  }
}

/** A writer of this file that still runs keeps its file. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
