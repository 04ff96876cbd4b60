/** An engine's end: closed in order, or dead by accident. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Engine } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import { Fault } from '../../src/errors.js';
import { randomWeights, smallCard } from '../support/bundles.js';
import { chunks, context } from '../support/engine.js';
import { valueOf } from '../support/outcomes.js';

const card = smallCard();
const model = { card, weights: randomWeights(card) };
const STEPS = 4;

function batch(tokens = 5): Parameters<Engine['run']>[0] {
  return { encode: [context(card, 0, tokens)], score: [chunks(card, [0], 2, STEPS)], release: [0] };
}

/** An engine and the worker thread that it started. */
async function startWithWorker(): Promise<{ engine: Engine; worker: Worker }> {
  let worker: Worker | undefined;
  const seen = (started: Worker): void => void (worker = started);
  process.once('worker', seen);
  const engine = await startEngine(model, { provider: 'cpu', threads: 1 });
  process.removeListener('worker', seen);
  assert.ok(worker);
  return { engine, worker };
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, Promise.resolve(pending)])) === pending;
}

test('close finishes what runs and what waits, refuses what follows, and may be called again', async () => {
  const engine = await startEngine(model, { provider: 'cpu', threads: 1 });
  const running = [engine.run(batch(3000)), engine.run(batch())];
  const closing = engine.close();
  assert.equal(engine.close(), closing);
  await assert.rejects(engine.run(batch()), { name: 'Fault', kind: 'unavailable' });
  for (const result of await Promise.all(running)) assert.equal(valueOf(result.scored[0]).length, 2 * STEPS);
  await closing;
  await assert.rejects(engine.run(batch()), { kind: 'unavailable' });
  assert.ok(await isPending(engine.failed), 'a closed engine has not failed');
});

test('a worker that dies is a failure: reported, waiting batches rejected, later ones too, close still returns', async () => {
  const { engine, worker } = await startWithWorker();
  await engine.run(batch());
  assert.ok(await isPending(engine.failed));
  const ended = worker.terminate(); // idle, as terminating inside the runtime would abort the process
  const waiting = engine.run(batch());
  await assert.rejects(waiting, { name: 'Fault', kind: 'internal' });
  const fault = await engine.failed;
  assert.ok(fault instanceof Fault);
  assert.match(fault.message, /the engine worker exited with 1/);
  await assert.rejects(engine.run(batch()), (error) => error === fault);
  await ended;
  await engine.close();
});

test('an error that nothing in the worker caught fails the engine with its cause', async () => {
  const { engine, worker } = await startWithWorker();
  // the worker reads messages that it knows; anything else is beyond its own handling
  worker.postMessage(null);
  const waiting = engine.run(batch());
  await assert.rejects(waiting, { name: 'Fault', kind: 'internal', message: 'the engine worker failed' });
  const fault = await engine.failed;
  assert.ok(fault.cause instanceof Error);
  await engine.close();
});

test('a model that contradicts its card is refused at start, and no worker is left', async () => {
  const weights = new Map(model.weights);
  weights.delete('cross.out_proj.weight');
  await assert.rejects(startEngine({ card, weights }, { provider: 'cpu', threads: 1 }), (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.kind, 'internal');
    assert.equal(error.field, 'cross.out_proj.weight');
    return true;
  });
});

test('the result tells what it cost and what a context holds', async () => {
  const engine = await startEngine(model, { provider: 'cpu', threads: 1 });
  const result = await engine.run(batch(5));
  assert.equal(valueOf(result.encoded[0]).bytes, 5 * 2 * card.hidden * 4);
  assert.equal(engine.info.bytesPerToken, 2 * card.hidden * 4);
  assert.equal(engine.info.provider, 'cpu');
  assert.equal(engine.info.threads, 1);
  assert.ok(result.encodeMs > 0 && result.scoreMs > 0);
  await engine.close();
});
