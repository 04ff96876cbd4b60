/**
 * The engine's thread: opens the device of one model, then runs batches in the order in which they come until it is told to close
 * it. It may then open the next.
 */
import { parentPort } from 'node:worker_threads';
import { Fault, plainFault, toFault } from '../errors.js';
import type { Device } from './device.js';
import { giveWay, giveWayMeanwhile } from './give-way.js';
import { discard } from './memory.js';
import type { FromWorker, ToWorker, WorkerStart } from './start.js';

/**
 * The engine's threads give way to the thread that talks to clients: it needs the processor seldom, but then at once. A third of
 * its weight where the two compete.
 */
const NICENESS = 5;
/** While it opens a device beside others that serve: nobody waits for it. A twelfth of their weight. */
const OPENING = 16;

const port = parentPort;
if (!port) throw new Fault('internal', 'the engine worker runs only as a worker thread');

giveWay(NICENESS);

const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

/** The device that is open, and the memory of its weights, which were copied here. */
let open: { readonly device: Device; readonly weights: WorkerStart['weights'] } | undefined;

async function openModel(start: WorkerStart): Promise<void> {
  const rise = start.background ? giveWayMeanwhile(NICENESS, OPENING) : () => undefined;
  try {
    const { openDevice } = await import('./device.js'); // most of a first opening's time
    open = { device: await openDevice(start), weights: start.weights };
  } catch (error) {
    post({ type: 'refused', fault: plainFault(toFault(error)) });
    return;
  } finally {
    rise();
  }
  post({ type: 'ready', info: open.device.info });
}

async function run({ id, batch }: ToWorker & { readonly type: 'run' }): Promise<void> {
  try {
    if (open === undefined) throw new Fault('internal', 'no device is open');
    const result = await open.device.runner.run(batch);
    const buffers = result.scored.flatMap((outcome) =>
      outcome.ok ? [outcome.value.buffer as ArrayBuffer] : [],
    );
    post({ type: 'result', id, result }, buffers);
  } catch (error) {
    post({ type: 'error', id, fault: plainFault(toFault(error)) });
  }
  discard(batch.encode.map(({ bytes }) => bytes.buffer as ArrayBuffer)); // they were moved here
}

async function close(): Promise<void> {
  const closing = open;
  open = undefined;
  await closing?.device.release();
  discard([...(closing?.weights.values() ?? [])].map(({ bytes }) => bytes.buffer as ArrayBuffer));
  post({ type: 'closed' });
}

// One promise chain keeps the order: `session.run` yields between runs, and a later batch must not slip in between.
let last: Promise<void> = Promise.resolve();
port.on('message', (message: ToWorker) => {
  last = last.then(async () => {
    switch (message.type) {
      case 'open':
        return openModel(message.start);
      case 'run':
        return run(message);
      case 'close':
        return close();
      case 'end':
        port.close();
    }
  });
});
