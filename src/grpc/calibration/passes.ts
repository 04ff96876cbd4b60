/** Calibrate, Evaluate and GetCalibration, from messages and to messages. */
import { Fault, invalid } from '../../errors.js';
import type { CalibrateRequest__Output } from '../../generated/action_energy/v1/CalibrateRequest.js';
import type { CalibrateResponse } from '../../generated/action_energy/v1/CalibrateResponse.js';
import type { CalibrationHeader__Output } from '../../generated/action_energy/v1/CalibrationHeader.js';
import type { EvaluateResponse } from '../../generated/action_energy/v1/EvaluateResponse.js';
import type { GetCalibrationRequest__Output } from '../../generated/action_energy/v1/GetCalibrationRequest.js';
import type { GetCalibrationResponse } from '../../generated/action_energy/v1/GetCalibrationResponse.js';
import {
  calibrateModel,
  evaluateModel,
  type PassParts,
  type PassRequest,
} from '../../serving/calibration-passes.js';
import type { Scope } from '../../serving/scope.js';
import { modelOf } from '../../serving/admission.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Parsed } from '../../wire/request.js';
import { versionInForce } from '../admin/model-methods.js';
import { withinIdle } from '../transport/next-message.js';
import { decodePassOptions, keyFigures } from './figures-message.js';
import { decodeRows } from './rows-message.js';

type Messages = AsyncIterable<CalibrateRequest__Output>;

const LONGEST_SOURCE = 256;

export async function calibrate(
  parts: PassParts,
  messages: Messages,
  scope: Scope,
): Promise<CalibrateResponse> {
  const { request, rows } = await decodePass(messages, parts.calibration.idleMs);
  const { model, calibration, report } = await calibrateModel(parts, request, rows, scope);
  return {
    model: versionInForce(model),
    figures: keyFigures(calibration, report),
    reportJson: JSON.stringify(report),
  };
}

export async function evaluate(
  parts: PassParts,
  messages: Messages,
  scope: Scope,
): Promise<EvaluateResponse> {
  const { request, rows } = await decodePass(messages, parts.calibration.idleMs);
  const { model, calibration, report, underVersion } = await evaluateModel(parts, request, rows, scope);
  return {
    model: { ...model.version, calibrationVersion: underVersion },
    figures: keyFigures(calibration, report),
    reportJson: JSON.stringify(report),
  };
}

/** Errors: `not_found`; `precondition` without a calibration in force. */
export function getCalibration(
  parts: Pick<PassParts, 'models'>,
  { message }: Parsed<GetCalibrationRequest__Output>,
  scope: Scope,
): GetCalibrationResponse {
  const model = modelOf(parts, scope, message.model);
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

/** The header, and the rows that follow it. Errors: everything that the contract says of a wrong header; `deadline`. */
async function decodePass(
  messages: Messages,
  idleMs: number,
): Promise<{ request: PassRequest; rows: AsyncGenerator<ReadonlyMap<string, Tensor>> }> {
  const stream = withinIdle(messages, {
    idleMs,
    flag: '--calibration-idle-ms',
    mend: 'Gather the rows first, then send them',
  });
  const { model, rows, source, options } = await readHeader(stream);
  return {
    request: {
      model,
      rows: Number(rows),
      source: source || 'stream',
      options: decodePassOptions(options),
    },
    rows: rowsOf(stream),
  };
}

async function* rowsOf(
  stream: Pick<AsyncIterator<CalibrateRequest__Output>, 'next'>,
): AsyncGenerator<ReadonlyMap<string, Tensor>> {
  for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
    const { part, rows } = next.value;
    if (part !== 'rows' || !rows) throw invalid('part', 'rows are wanted', { found: part ?? 'nothing' });
    yield decodeRows(rows);
  }
}

async function readHeader(
  stream: Pick<AsyncIterator<CalibrateRequest__Output>, 'next'>,
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
