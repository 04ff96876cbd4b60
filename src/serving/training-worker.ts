/**
 * The thread of one training session: its weights, its optimiser and the programs of its steps. It gives way to the engines, and
 * ends when it is told to, after the step that it is at.
 */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { giveWay } from '../engine/give-way.js';
import { Runtime } from '../engine/runtime.js';
import { plainFault, toFault } from '../errors.js';
import { loadBundle } from '../model/bundle.js';
import { initialWeights } from '../training/initial.js';
import { StreamedTraining } from '../training/streamed.js';
import type { FromTraining, ToTraining, TrainingTask } from './training-thread.js';

/** About a fourteenth of the engine's weight where the two compete. */
const NICENESS = 17;

async function begin({ from, recipe, threads }: TrainingTask): Promise<{
  readonly training: StreamedTraining;
  readonly runtime: Runtime;
  readonly digest: string;
}> {
  const found =
    'card' in from
      ? { card: from.card, weights: initialWeights(from.card, recipe.seed), digest: '' }
      : await loadBundle(from.directory);
  const runtime = new Runtime({ provider: 'cpu', threads, deviceId: 0 });
  return {
    runtime,
    training: new StreamedTraining(runtime, found.card, found.weights, recipe),
    digest: found.digest,
  };
}

type Work = Exclude<ToTraining, { type: 'end' }>;

async function answer(training: StreamedTraining, message: Work): Promise<FromTraining> {
  switch (message.type) {
    case 'rows':
      return { type: 'step', report: await training.learn(message.columns) };
    case 'save': {
      const { directory, name, replace } = message;
      const digest = await training.save(directory, name, replace);
      return { type: 'saved', digest, step: training.steps };
    }
  }
}

async function serve(port: MessagePort): Promise<void> {
  giveWay(NICENESS);
  const post = (message: FromTraining): void => port.postMessage(message);
  const fail = (error: unknown): void => post({ type: 'failed', fault: plainFault(toFault(error)) });
  let begun;
  try {
    begun = await begin(workerData as TrainingTask);
  } catch (error) {
    fail(error);
    port.close();
    return;
  }
  const { training, runtime, digest } = begun;
  // one after the other: a message may come while the last step runs
  let last: Promise<void> = Promise.resolve();
  port.on('message', (message: ToTraining) => {
    last = last.then(async () => {
      if (message.type === 'end') {
        await runtime.release();
        port.close();
        return;
      }
      await answer(training, message).then(post, fail);
    });
  });
  post({ type: 'started', digest });
}

if (parentPort !== null) await serve(parentPort);
