/** Engines that come one after the other on one thread. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Engine } from '../../src/engine/engine.js';
import { startEngine, type EngineModel } from '../../src/engine/start.js';
import { EngineThreads } from '../../src/engine/threads.js';
import { randomWeights, smallCard } from '../support/bundles.js';
import { chunks, context } from '../support/engine.js';
import { valueOf } from '../support/outcomes.js';

const card = smallCard();
const first = { card, weights: randomWeights(card, 1) };
const second = { card, weights: randomWeights(card, 2) };
const OPTIONS = { provider: 'cpu', threads: 1 } as const;
const STEPS = 4;

async function energies(engine: Engine): Promise<Float32Array> {
  const { scored } = await engine.run({
    encode: [context(card, 0, 5)],
    score: [chunks(card, [0], 2, STEPS)],
    release: [0],
  });
  return valueOf(scored[0]);
}

/** What an engine on a thread of its own answers. */
async function reference(model: EngineModel): Promise<Float32Array> {
  const engine = await startEngine(model, OPTIONS);
  const answer = await energies(engine);
  await engine.close();
  return answer;
}

/** Counts the threads that are made while `body` runs. */
async function threadsMade(body: () => Promise<void>): Promise<number> {
  let made = 0;
  const count = (): void => void made++;
  process.on('worker', count);
  await body();
  process.off('worker', count);
  return made;
}

test('an engine that follows another on its thread answers with the bits of a fresh one', async () => {
  const wanted = [await reference(first), await reference(second)];
  assert.notDeepEqual(wanted[0], wanted[1]);
  const threads = new EngineThreads(1);
  const made = await threadsMade(async () => {
    for (let turn = 0; turn < 4; turn++) {
      const engine = await startEngine(turn % 2 === 0 ? first : second, OPTIONS, threads);
      assert.deepEqual(await energies(engine), wanted[turn % 2]);
      await engine.close();
    }
  });
  assert.equal(made, 1);
  await threads.close();
});

test('a reload takes the thread that the one before has left, also at low priority', async () => {
  const wanted = await reference(second);
  const threads = new EngineThreads(1);
  let serving = await startEngine(first, OPTIONS, threads);
  threads.giveWay();
  const made = await threadsMade(async () => {
    for (let turn = 0; turn < 3; turn++) {
      const next = await startEngine(second, OPTIONS, threads);
      await serving.close();
      serving = next;
      assert.deepEqual(await energies(serving), wanted);
    }
  });
  assert.equal(made, 1, 'two threads in turn');
  await serving.close();
  await threads.close();
});

test('a thread whose engine was refused, or that died, is not used again', async () => {
  const threads = new EngineThreads(1);
  const weights = new Map(first.weights);
  weights.delete('cross.out_proj.weight');
  await assert.rejects(startEngine({ card, weights }, OPTIONS, threads), { field: 'cross.out_proj.weight' });
  let worker: Worker | undefined;
  process.once('worker', (made) => (worker = made));
  const engine = await startEngine(first, OPTIONS, threads);
  assert.ok(worker, 'a new one');
  await worker.terminate();
  assert.equal((await engine.failed).kind, 'internal');
  await engine.close();
  assert.equal(
    await threadsMade(async () => {
      const next = await startEngine(first, OPTIONS, threads);
      await energies(next);
      await next.close();
    }),
    1,
  );
  await threads.close();
});

test('a thread that waits ends when it dies, and another is made', async () => {
  const threads = new EngineThreads(1);
  let worker: Worker | undefined;
  process.once('worker', (made) => (worker = made));
  await (await startEngine(first, OPTIONS, threads)).close();
  await worker!.terminate();
  const engine = await startEngine(second, OPTIONS, threads);
  await energies(engine);
  await engine.close();
  await threads.close();
});
