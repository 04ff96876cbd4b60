/** Messages between a served model and the thread that fits and reports. Faults travel as plain data, as an engine's do. */
import type { CalibrateOptions } from '../calibration/calibrate.js';
import type { Report } from '../calibration/report/report-schema.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import type { EngineBatch, EngineInfo, EngineResult } from '../engine/engine.js';
import type { PlainFault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { SpooledColumn } from './calibration-columns.js';

export type PassOptions = Pick<CalibrateOptions, 'batch' | 'seed' | 'nearDuplicate'>;

export interface CalibrationTask {
  readonly card: ModelCard;
  readonly weightsDigest: string;
  readonly info: EngineInfo;
  readonly source: string;
  readonly bytes: number;
  readonly columns: readonly SpooledColumn[];
  readonly options: PassOptions;
  /** Report under this one; absent: fit, and report on held-out rows. */
  readonly existing?: Calibration;
}

/** `calibration` is the fitted one, or the existing one with this report. */
export interface CalibrationResult {
  readonly calibration: Calibration;
  readonly report: Report;
}

export type FromCalibration =
  | { readonly type: 'run'; readonly id: number; readonly batch: EngineBatch }
  | { readonly type: 'rows'; readonly count: number }
  | { readonly type: 'done'; readonly result: CalibrationResult }
  | { readonly type: 'failed'; readonly fault: PlainFault };

export type ToCalibration =
  | { readonly type: 'result'; readonly id: number; readonly result: EngineResult }
  | { readonly type: 'error'; readonly id: number; readonly fault: PlainFault };
