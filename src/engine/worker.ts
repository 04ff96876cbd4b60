/** The engine's thread: opens the device, then runs batches in the order in which they come until told to close. */
import { parentPort, workerData } from 'node:worker_threads';
import { Fault, plainFault, toFault } from '../errors.js';
import { openDevice } from './device.js';
import { giveWay } from './give-way.js';
import { discard } from './memory.js';
import type { FromWorker, ToWorker, WorkerStart } from './start.js';

/**
 * The engine's threads give way to the thread that talks to clients: it needs the processor seldom, but then at once. A third of
 * its weight where the two compete.
 */
const NICENESS = 5;

const port = parentPort;
if (!port) throw new Fault('internal', 'the engine worker runs only as a worker thread');

const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

async function serve(): Promise<void> {
  giveWay(NICENESS);
  let device;
  try {
    device = await openDevice(workerData as WorkerStart);
  } catch (error) {
    post({ type: 'refused', fault: plainFault(toFault(error)) });
    port!.close();
    return;
  }
  const { runner, info } = device;
  post({ type: 'ready', info });

  // One promise chain keeps the order: `session.run` yields between runs, and a later batch must not slip in between.
  let last: Promise<void> = Promise.resolve();
  port!.on('message', (message: ToWorker) => {
    last = last.then(async () => {
      if (message.type === 'close') {
        await device.release();
        port!.close();
        return;
      }
      try {
        const result = await runner.run(message.batch);
        const buffers = result.scored.flatMap((outcome) =>
          outcome.ok ? [outcome.value.buffer as ArrayBuffer] : [],
        );
        post({ type: 'result', id: message.id, result }, buffers);
      } catch (error) {
        post({ type: 'error', id: message.id, fault: plainFault(toFault(error)) });
      }
      discard(message.batch.encode.map(({ bytes }) => bytes.buffer as ArrayBuffer)); // they were moved here
    });
  });
}

await serve();
