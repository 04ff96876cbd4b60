/**
 * Calibrate and Evaluate: rows are spooled as they arrive, a pass is made over them beside live scoring, and a calibration
 * that comes out of it is kept in the bundle and in force. One pass a model at a time.
 */
import { tmpdir } from 'node:os';
import type { Logger } from 'pino';
import { systemClock } from '../batching/clock.js';
import { abortFault } from '../batching/reports.js';
import type { Report } from '../calibration/report/report-schema.js';
import { saveCalibration } from '../calibration/store.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import type { Config } from '../config/schema.js';
import { Fault, toFault } from '../errors.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Tensor } from '../tensor/tensor.js';
import { runCalibration, type CalibrationResult, type PassOptions } from './calibration-run.js';
import { CalibrationSpool } from './calibration-spool.js';
import type { ModelRegistry } from './model-registry.js';
import type { Scope } from './scope.js';
import type { ServedModel } from './served-model.js';
import { modelOf } from './admission.js';

export interface PassParts {
  readonly models: ModelRegistry;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly calibration: Config['calibration'];
  /** Names of the models that are being calibrated. */
  readonly calibrating: Set<string>;
}

export interface PassRequest {
  readonly model: string;
  /** M. */
  readonly rows: number;
  /** What the data are called in the calibration. */
  readonly source: string;
  readonly options: PassOptions;
}

export interface PassAnswer {
  readonly model: ServedModel;
  /** Of the calibration that the report was made under; empty when it was fitted for this. */
  readonly underVersion: string;
  readonly calibration: Calibration;
  readonly report: Report;
}

/** Some rows: columns by name, in the layout of calibration files. */
export type Rows = AsyncIterator<ReadonlyMap<string, Tensor>>;

/** Fits, keeps and applies. `model` of the answer is the one in force, reloaded meanwhile or not. */
export async function calibrateModel(
  parts: PassParts,
  request: PassRequest,
  rows: Rows,
  scope: Scope,
): Promise<PassAnswer> {
  return withPass(parts, request, rows, scope, async (model) => {
    const result = await pass(parts, model, scope, undefined);
    const { calibration } = result;
    checkCurrent(parts, model.served);
    if (scope.signal.aborted) throw abortFault(scope.signal);
    await saveCalibration(model.served.directory, calibration);
    const current = parts.models.applyCalibration(model.served.name, calibration);
    return { ...result, model: current, underVersion: '' };
  });
}

/** Reports on the rows under the calibration in force; writes nothing. */
export async function evaluateModel(
  parts: PassParts,
  request: PassRequest,
  rows: Rows,
  scope: Scope,
): Promise<PassAnswer> {
  return withPass(parts, request, rows, scope, async (model) => {
    const existing = model.served.calibration.current;
    const result = await pass(parts, model, scope, existing);
    return { ...result, model: model.served, underVersion: existing?.version ?? '' };
  });
}

/** What a pass is made over. */
interface Spooled {
  readonly served: ServedModel;
  readonly request: PassRequest;
  readonly spool: CalibrationSpool;
}

/** Takes the rows in. What was spooled is gone afterwards, however it ends. */
async function withPass<T extends { readonly calibration: Calibration }>(
  parts: PassParts,
  request: PassRequest,
  rows: Rows,
  scope: Scope,
  use: (spooled: Spooled) => Promise<T>,
): Promise<T> {
  const served = modelOf(parts, scope, request.model);
  const { name } = served;
  if (parts.calibrating.has(name)) {
    throw new Fault('exhausted', 'this model is being calibrated already', {
      field: 'model',
      found: name,
      mend: 'Try again when that has ended',
    });
  }
  parts.calibrating.add(name);
  const startMs = systemClock.nowMs();
  const spool = new CalibrationSpool({
    card: served.card,
    directory: parts.calibration.directory ?? tmpdir(),
    maxBytes: parts.calibration.maxBytes,
    rows: request.rows,
  });
  try {
    for (let next = await rows.next(); next.done !== true; next = await rows.next()) {
      checkCurrent(parts, served); // what comes would be of no use any more
      await spool.add(next.value);
    }
    const answer = await use({ served, request, spool });
    sayEnd(parts, scope, { name, rows: request.rows, startMs }, answer.calibration);
    return answer;
  } catch (error) {
    sayEnd(parts, scope, { name, rows: request.rows, startMs }, toFault(error));
    throw error;
  } finally {
    parts.metrics.calibrationProgress.remove({ model: name });
    await spool.close();
    parts.calibrating.delete(name);
  }
}

/** One line and one count for each pass that took a place, whatever became of it. */
function sayEnd(
  { metrics, log }: PassParts,
  { method, requestId, caller: { client } }: Scope,
  { name, rows, startMs }: { readonly name: string; readonly rows: number; readonly startMs: number },
  end: Fault | Calibration,
): void {
  const failed = end instanceof Fault;
  const outcome = failed ? (OUTCOMES[end.kind] ?? 'refused') : 'done';
  metrics.calibrationRuns.inc({ model: name, kind: method, outcome });
  const ms = Math.round(systemClock.nowMs() - startMs);
  const what = failed ? { fault: end.message } : { calibration: end.version, verdict: end.verdict };
  log.info({ model: name, method, requestId, client, rows, ms, outcome, ...what }, 'calibration ended');
}

/** Everything else is the data's or a reload's doing. */
const OUTCOMES: Partial<Record<Fault['kind'], string>> = {
  internal: 'failed',
  cancelled: 'cancelled',
  deadline: 'cancelled',
  unavailable: 'cancelled',
};

/** The pass itself. Errors: what the data or the model refuse; `precondition` when the model was reloaded meanwhile. */
async function pass(
  parts: PassParts,
  { served, request, spool }: Spooled,
  { method, signal }: Scope,
  existing: Calibration | undefined,
): Promise<CalibrationResult> {
  const { rows, source, options } = request;
  const columns = spool.finish();
  parts.log.info({ model: served.name, method, rows, bytes: spool.bytes }, 'calibrating');
  let done = 0;
  const onRows = (count: number): void => {
    done += count;
    parts.metrics.calibrationProgress.set({ model: served.name }, done / rows);
  };
  const task = { source, bytes: spool.bytes, columns, options, ...(existing && { existing }) };
  try {
    return await runCalibration(served, task, signal, onRows);
  } catch (error) {
    checkCurrent(parts, served);
    throw error;
  }
}

function checkCurrent({ models }: PassParts, model: ServedModel): void {
  if (models.models.includes(model)) return;
  throw new Fault('precondition', 'the model was reloaded meanwhile', {
    field: 'model',
    found: model.name,
    mend: 'Send the data again',
  });
}
