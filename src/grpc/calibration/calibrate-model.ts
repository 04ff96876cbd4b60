/** Calibrate, Evaluate and GetCalibration. */
import { tmpdir } from 'node:os';
import type { Logger } from 'pino';
import { saveCalibration } from '../../calibration/store.js';
import type { Config } from '../../config/schema.js';
import { Fault, invalid } from '../../errors.js';
import type { CalibrateRequest__Output } from '../../generated/action_energy/v1/CalibrateRequest.js';
import type { CalibrateResponse } from '../../generated/action_energy/v1/CalibrateResponse.js';
import type { CalibrationHeader__Output } from '../../generated/action_energy/v1/CalibrationHeader.js';
import type { EvaluateResponse } from '../../generated/action_energy/v1/EvaluateResponse.js';
import type { GetCalibrationResponse } from '../../generated/action_energy/v1/GetCalibrationResponse.js';
import type { Metrics } from '../../metrics/metrics.js';
import { abortFault } from '../../batching/job.js';
import type { Scope } from '../transport/unary.js';
import { decodePassOptions, keyFigures } from './figures-message.js';
import type { CalibrationResult } from '../../serving/calibration-protocol.js';
import { runCalibration } from '../../serving/calibration-run.js';
import { CalibrationSpool } from '../../serving/calibration-spool.js';
import type { ModelRegistry } from '../../serving/model-registry.js';
import { modelOf } from '../energy/score-actions.js';
import { versionInForce, type ServedModel } from '../../serving/served-model.js';

export interface CalibrationParts {
  readonly models: ModelRegistry;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly calibration: Config['calibration'];
  /** Models that are being calibrated: each takes one at a time. */
  readonly calibrating: Set<ServedModel>;
}

const LONGEST_SOURCE = 256;

export async function calibrateModel(
  parts: CalibrationParts,
  messages: AsyncIterable<CalibrateRequest__Output>,
  scope: Scope,
): Promise<CalibrateResponse> {
  return withPass(parts, messages, scope, false, async (model, { calibration, report }) => {
    checkCurrent(parts, model);
    if (scope.signal.aborted) throw abortFault(scope.signal);
    await saveCalibration(model.directory, calibration);
    // a reload that came in between has read either file; what was written last is what holds
    const current = parts.models.get(model.name);
    if (current.version.digest === calibration.model.weights_digest) current.calibration.apply(calibration);
    parts.log.info({ model: model.name, calibration: calibration.version }, 'calibrated');
    return {
      model: versionInForce(current),
      figures: keyFigures(calibration, report),
      reportJson: JSON.stringify(report),
    };
  });
}

export async function evaluateModel(
  parts: CalibrationParts,
  messages: AsyncIterable<CalibrateRequest__Output>,
  scope: Scope,
): Promise<EvaluateResponse> {
  return withPass(parts, messages, scope, true, (model, { calibration, report }, existing) =>
    Promise.resolve({
      model: { ...model.version, calibrationVersion: existing },
      figures: keyFigures(calibration, report),
      reportJson: JSON.stringify(report),
    }),
  );
}

/** Errors: `not_found`; `precondition` without a calibration in force. */
export function getCalibration(
  parts: Pick<CalibrationParts, 'models'>,
  name: string,
  scope: Scope,
): GetCalibrationResponse {
  const model = modelOf(parts, scope, name);
  const { state } = model.calibration;
  if (state.state === 'APPLIED') {
    const { calibration } = state;
    return {
      model: versionInForce(model),
      figures: keyFigures(calibration, calibration.report),
      calibrationJson: JSON.stringify(calibration),
    };
  }
  throw new Fault('precondition', 'the model has no calibration in force', {
    field: 'model',
    found: state.state === 'REFUSED' ? state.fault.message : 'none in its bundle',
    mend: 'Make one with Calibrate',
  });
}

/** Header, rows, pass. What was spooled is gone afterwards, however it ends. */
async function withPass<T>(
  parts: CalibrationParts,
  messages: AsyncIterable<CalibrateRequest__Output>,
  scope: Scope,
  underExisting: boolean,
  use: (model: ServedModel, result: CalibrationResult, existing: string) => Promise<T>,
): Promise<T> {
  const stream = messages[Symbol.asyncIterator]();
  const header = await readHeader(stream);
  const model = modelOf(parts, scope, header.model);
  const rows = Number(header.rows);
  const options = decodePassOptions(header.options);
  if (parts.calibrating.has(model)) {
    throw new Fault('exhausted', 'this model is being calibrated already', {
      field: 'model',
      found: model.name,
      mend: 'Try again when that has ended',
    });
  }
  parts.calibrating.add(model);
  const spool = new CalibrationSpool({
    card: model.card,
    directory: parts.calibration.directory ?? tmpdir(),
    maxBytes: parts.calibration.maxBytes,
    rows,
  });
  try {
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
      const { part, rows: message } = next.value;
      if (part !== 'rows' || !message) throw invalid('part', 'rows are wanted', { found: part ?? 'nothing' });
      await spool.add(message);
    }
    const columns = spool.finish();
    parts.log.info({ model: model.name, method: scope.method, rows, bytes: spool.bytes }, 'calibrating');
    const existing = underExisting ? model.calibration.current : undefined;
    const task = { source: header.source || 'stream', bytes: spool.bytes, columns, options };
    let done = 0;
    const result = await runCalibration(
      model,
      { ...task, ...(existing && { existing }) },
      scope.signal,
      (count) => {
        done += count;
        parts.metrics.calibrationProgress.set({ model: model.name }, done / rows);
      },
    ).catch((error: unknown) => {
      checkCurrent(parts, model);
      throw error;
    });
    return await use(model, result, existing?.version ?? '');
  } finally {
    parts.metrics.calibrationProgress.remove({ model: model.name });
    await spool.close();
    parts.calibrating.delete(model);
  }
}

async function readHeader(
  stream: AsyncIterator<CalibrateRequest__Output>,
): Promise<CalibrationHeader__Output> {
  const first = await stream.next();
  const header = first.done === true ? undefined : first.value.header;
  if (!header) {
    const found = first.done === true ? 'an empty stream' : (first.value.part ?? 'nothing');
    throw invalid('part', 'the first message is not a header', { found, wanted: 'header' });
  }
  if (!(Number.isSafeInteger(Number(header.rows)) && Number(header.rows) >= 1)) {
    throw invalid('header.rows', 'no number of rows', { found: header.rows, wanted: 'at least 1' });
  }
  if (header.source.length > LONGEST_SOURCE) {
    throw invalid('header.source', 'too long', {
      found: `${header.source.length} characters`,
      wanted: `at most ${LONGEST_SOURCE}`,
    });
  }
  return header;
}

function checkCurrent({ models }: CalibrationParts, model: ServedModel): void {
  if (models.models.includes(model)) return;
  throw new Fault('precondition', 'the model was reloaded meanwhile', {
    field: 'model',
    found: model.name,
    mend: 'Send the data again',
  });
}
