/** One calibration beside live scoring: its arithmetic in a thread of its own, its energies in the engine's idle time. */
import { Worker } from 'node:worker_threads';
import { BackgroundEngine } from '../batching/background-engine.js';
import { abortFault } from '../batching/reports.js';
import type { CalibrateOptions } from '../calibration/calibrate.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import type { Report } from '../calibration/report/report-schema.js';
import type { EngineBatch, EngineInfo, EngineResult } from '../engine/engine.js';
import { Fault, plainFault, revivedFault, toFault, type PlainFault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { SpooledColumn } from './calibration-columns.js';
import type { ServedModel } from './served-model.js';

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

/** Messages between the two threads. */
export type FromCalibration =
  | { readonly type: 'run'; readonly id: number; readonly batch: EngineBatch }
  | { readonly type: 'rows'; readonly count: number }
  | { readonly type: 'done'; readonly result: CalibrationResult }
  | { readonly type: 'failed'; readonly fault: PlainFault };

export type ToCalibration =
  | { readonly type: 'result'; readonly id: number; readonly result: EngineResult }
  | { readonly type: 'error'; readonly id: number; readonly fault: PlainFault };

/** Errors: what the data or the model refuse; the signal's reason; `unavailable` when the model stops meanwhile. */
export async function runCalibration(
  { engine, scheduler, card, version }: ServedModel,
  task: Omit<CalibrationTask, 'card' | 'weightsDigest' | 'info'>,
  signal: AbortSignal,
  onRows: (count: number) => void,
): Promise<CalibrationResult> {
  const ended = new AbortController();
  const background = new BackgroundEngine({
    scheduler,
    info: engine.info,
    failed: engine.failed,
    client: 'calibration',
    signal: AbortSignal.any([signal, ended.signal]),
  });
  const workerData: CalibrationTask = {
    ...task,
    card,
    weightsDigest: version.digest,
    info: engine.info,
  };
  const worker = new Worker(new URL('./calibration-worker.js', import.meta.url), { workerData });
  const running = new Set<Promise<void>>();
  const serve = async (id: number, batch: EngineBatch): Promise<void> => {
    let answer: ToCalibration;
    try {
      answer = { type: 'result', id, result: await background.run(batch) };
    } catch (error) {
      answer = { type: 'error', id, fault: plainFault(toFault(error)) };
    }
    worker.postMessage(answer);
  };
  try {
    return await new Promise<CalibrationResult>((resolve, reject) => {
      const onAbort = (): void => reject(abortFault(signal));
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { signal: ended.signal });
      worker.on('error', (cause) =>
        reject(new Fault('internal', 'the calibration thread failed', { cause })),
      );
      worker.on('exit', () => reject(new Fault('internal', 'the calibration thread ended without a result')));
      worker.on('message', (message: FromCalibration) => {
        switch (message.type) {
          case 'rows':
            onRows(message.count);
            return;
          case 'done':
            resolve(message.result);
            return;
          case 'failed':
            reject(revivedFault(message.fault));
            return;
          case 'run': {
            const run = serve(message.id, message.batch).finally(() => running.delete(run));
            running.add(run);
          }
        }
      });
    });
  } finally {
    ended.abort();
    await worker.terminate();
    await Promise.all(running);
    await background.close();
  }
}
