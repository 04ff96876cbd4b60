/**
 * The thread of one calibration: reads the spooled rows, fits, and makes the intervals, which takes seconds
 * that the gRPC thread does not have. Its engine is the other side's: batches go out, results come in.
 */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { calibrate, evaluateCalibration, type CalibrateOptions } from '../calibration/calibrate.js';
import { calibrationData } from '../calibration/data/calibration-data.js';
import type { Engine, EngineResult } from '../engine/engine.js';
import { plainFault, revivedFault, toFault, type Fault } from '../errors.js';
import { spooledColumns } from './calibration-columns.js';
import type {
  CalibrationResult,
  CalibrationTask,
  FromCalibration,
  ToCalibration,
} from './calibration-run.js';

function remoteEngine(port: MessagePort, info: Engine['info']): Engine {
  const waiting = new Map<
    number,
    { readonly resolve: (result: EngineResult) => void; readonly reject: (fault: Fault) => void }
  >();
  let next = 0;
  port.on('message', (message: ToCalibration) => {
    const call = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.type === 'result') call?.resolve(message.result);
    else call?.reject(revivedFault(message.fault));
  });
  return {
    info,
    failed: new Promise<Fault>(() => undefined), // a failed engine rejects the next batch
    run: (batch) =>
      new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        const moved = new Set(
          batch.encode.filter(({ move }) => move).map(({ bytes }) => bytes.buffer as ArrayBuffer),
        );
        port.postMessage({ type: 'run', id, batch } satisfies FromCalibration, [...moved]);
      }),
    close: () => Promise.resolve(),
  };
}

async function perform(
  { card, weightsDigest, source, bytes, columns, options, existing }: CalibrationTask,
  engine: Engine,
  onRows: (count: number) => void,
): Promise<CalibrationResult> {
  const data = await calibrationData([spooledColumns(source, bytes, columns)], card);
  const all: CalibrateOptions = { ...options, engine, card, weightsDigest, data, onRows };
  if (existing !== undefined) {
    return { calibration: existing, report: await evaluateCalibration(existing, all) };
  }
  const calibration = await calibrate(all);
  return { calibration, report: calibration.report };
}

if (parentPort !== null) {
  const port = parentPort;
  const post = (message: FromCalibration): void => port.postMessage(message);
  const task = workerData as CalibrationTask;
  try {
    const onRows = (count: number): void => post({ type: 'rows', count });
    post({ type: 'done', result: await perform(task, remoteEngine(port, task.info), onRows) });
  } catch (error) {
    post({ type: 'failed', fault: plainFault(toFault(error)) });
  }
  port.close();
}
