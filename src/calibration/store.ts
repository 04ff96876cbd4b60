/** Keeping a calibration in its bundle. */
import path from 'node:path';
import { Fault, invalid, toFault } from '../errors.js';
import { readWholeFile } from '../weights/file.js';
import { writeWhole } from '../weights/whole-file.js';
import {
  CALIBRATION_FILE,
  CALIBRATION_FORMAT,
  calibrationSchema,
  type Calibration,
} from './calibration-schema.js';

/** Of a million rows; those of a few thousand take some hundred kilobytes. */
const MAX_CALIBRATION_BYTES = 128 * 1024 ** 2;
/** What `CALIBRATION_FORMAT` is one of. */
const FORMATS = /^action-energy\/calibration\/\d+$/;
/** Returns the path written. Errors: a calibration that could not be read back; those of the file system. */
export async function saveCalibration(bundleDirectory: string, calibration: Calibration): Promise<string> {
  calibrationSchema.parse(calibration);
  return writeWhole(path.join(bundleDirectory, CALIBRATION_FILE), `${JSON.stringify(calibration)}\n`);
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
  let bytes: Uint8Array;
  try {
    bytes = await readWholeFile(file, { maxBytes: MAX_CALIBRATION_BYTES });
  } catch (error) {
    if (toFault(error).kind === 'not_found') return undefined;
    throw error;
  }
  const calibration = parseCalibration(new TextDecoder().decode(bytes), file);
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

/** Errors: `precondition` for the format of another version, `invalid` naming every field that does not fit. */
export function parseCalibration(text: string, field = CALIBRATION_FILE): Calibration {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(field, 'not JSON', { found: (cause as Error).message, cause });
  }
  const format = (value as { format?: unknown } | null)?.format;
  if (typeof format === 'string' && FORMATS.test(format) && format !== CALIBRATION_FORMAT) {
    throw new Fault('precondition', 'a calibration of another version of this program', {
      field: `${field}: format`,
      found: format,
      wanted: CALIBRATION_FORMAT,
      mend: 'Calibrate again: action-energy calibrate MODEL DATA',
    });
  }
  const parsed = calibrationSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path: at, message }) => `${at.join('.') || 'file'}: ${message}`);
  throw invalid(field, 'not a calibration', {
    found: issues.slice(0, 20).join('; '),
    mend: 'Calibrate again: action-energy calibrate MODEL DATA',
  });
}
