/** Loading, swapping and calibrating of models that are no more than what the registry looks at. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Calibration } from '../../../src/calibration/calibration-schema.js';
import { createMetrics } from '../../../src/metrics/metrics.js';
import { ModelRegistry } from '../../../src/serving/model-registry.js';
import type { ServedModel } from '../../../src/serving/served-model.js';

const DIGEST = 'ab'.repeat(32);

/** Remembers what was applied; starts and stops at once. */
function servedModel(name: string, digest: string, applied: Calibration[]): ServedModel {
  return {
    name,
    directory: name,
    card: { architecture: 'cross_attention' },
    version: { name, digest },
    calibration: { apply: (calibration: Calibration) => applied.push(calibration) },
    engine: {
      info: { provider: 'cpu', refused: [], threads: 1 },
      failed: new Promise(() => undefined),
      close: () => Promise.resolve(),
    },
    scheduler: { drain: () => Promise.resolve(), close: () => undefined },
  } as unknown as ServedModel;
}

function calibrationOf(digest: string, version: string): Calibration {
  return { version, model: { weights_digest: digest } } as unknown as Calibration;
}

const OPTIONS = {
  defaultName: undefined,
  drainMs: 0,
  metrics: createMetrics(() => []),
  log: pino({ enabled: false }),
  onChange: () => undefined,
};

interface Loads {
  readonly registry: ModelRegistry;
  /** What was applied to each model that was started, in order. */
  readonly applied: Calibration[][];
  /** Lets the load under way come to its end, with weights of this digest. */
  readonly finish: (digest?: string) => void;
}

async function startRegistry(): Promise<Loads> {
  const applied: Calibration[][] = [];
  const waiting: ((digest: string) => void)[] = [];
  const starting = ModelRegistry.start({
    folders: () => Promise.resolve(new Map([['arm', 'arm']])),
    start: async (name) => {
      const digest = await new Promise<string>((resolve) => waiting.push(resolve));
      const own: Calibration[] = [];
      applied.push(own);
      return servedModel(name, digest, own);
    },
    ...OPTIONS,
  });
  const finish = (digest = DIGEST): void => waiting.shift()!(digest);
  while (waiting.length === 0) await Promise.resolve();
  finish();
  return { registry: await starting, applied, finish };
}

describe('a calibration that ends while its model is loaded again', () => {
  it('holds for what serves now and for what is swapped in', async () => {
    const { registry, applied, finish } = await startRegistry();
    const reloading = registry.reload('arm');
    await new Promise((resolve) => setImmediate(resolve)); // the bundle has been read
    const calibration = calibrationOf(DIGEST, 'v1');
    const current = registry.applyCalibration('arm', calibration);
    finish();
    const [swapped] = await reloading;
    assert.notEqual(swapped, current);
    assert.deepEqual(applied, [[calibration], [calibration]]);
    await registry.close(0);
  });

  it('does not hold for other weights', async () => {
    const { registry, applied, finish } = await startRegistry();
    const reloading = registry.reload('arm');
    await new Promise((resolve) => setImmediate(resolve));
    registry.applyCalibration('arm', calibrationOf(DIGEST, 'v1'));
    finish('cd'.repeat(32));
    await reloading;
    assert.deepEqual(applied[1], []);
    await registry.close(0);
  });

  it('is forgotten when the load has ended: the next one reads the bundle', async () => {
    const { registry, applied, finish } = await startRegistry();
    for (let load = 0; load < 2; load++) {
      const reloading = registry.reload('arm');
      await new Promise((resolve) => setImmediate(resolve));
      if (load === 0) registry.applyCalibration('arm', calibrationOf(DIGEST, 'v1'));
      finish();
      await reloading;
    }
    assert.deepEqual(
      applied.map((own) => own.length),
      [1, 1, 0],
    );
    await registry.close(0);
  });
});

describe('a folder that is gone', () => {
  it('is named; its model goes on, and the others are loaded', async () => {
    const folders = new Map([
      ['arm', 'models/arm'],
      ['leg', 'models/leg'],
    ]);
    const registry = await ModelRegistry.start({
      folders: () => Promise.resolve(folders),
      start: (name) => Promise.resolve(servedModel(name, DIGEST, [])),
      ...OPTIONS,
    });
    const [arm, leg] = registry.models;
    folders.delete('leg');
    const gone = { kind: 'not_found', message: /leg: its folder is gone; found no bundle in leg/ };
    await assert.rejects(registry.reload(''), gone);
    await assert.rejects(registry.reload('leg'), gone);
    assert.notEqual(registry.get('arm'), arm);
    assert.equal(registry.get('leg'), leg);
    assert.deepEqual(
      registry.states.map(({ name, state }) => [name, state]),
      [
        ['arm', 'READY'],
        ['leg', 'READY'],
      ],
    );
    await assert.rejects(registry.reload('nobody'), /no such model/);
    await registry.close(0);
  });
});

describe('closing while a model is loaded', () => {
  it('gives the load up, waits until it has ended, and loads nothing more', async () => {
    let hanging = false;
    const signals: AbortSignal[] = [];
    const registry = await ModelRegistry.start({
      folders: () =>
        Promise.resolve(
          new Map([
            ['arm', 'arm'],
            ['leg', 'leg'],
          ]),
        ),
      start: async (name, _directory, signal) => {
        if (!hanging) return servedModel(name, DIGEST, []);
        signals.push(signal);
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => setImmediate(reject, signal.reason)),
        );
      },
      ...OPTIONS,
    });
    hanging = true;
    let ended = false;
    const reloading = assert
      .rejects(registry.reload(''), /arm: the server is stopping.*leg: the server is stopping/)
      .then(() => (ended = true));
    await new Promise((resolve) => setImmediate(resolve));
    await registry.close(0);
    await reloading;
    assert.ok(ended);
    assert.equal(signals.length, 1);
    await assert.rejects(registry.reload('leg'), { kind: 'unavailable' });
  });
});
