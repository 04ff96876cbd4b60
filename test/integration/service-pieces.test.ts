/** A lost batch and large requests against the real engine: neither stops others, and cutting changes no bit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, EngineBatch, EngineResult } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import { Fault } from '../../src/errors.js';
import {
  DEFAULT_BACKGROUND_BOUNDS,
  DEFAULT_BOUNDS,
  DEFAULT_QUEUE_BOUNDS,
} from '../../src/batching/defaults.js';
import { ContextCache, randomContextId } from '../../src/batching/context-cache.js';
import { systemClock } from '../../src/batching/clock.js';
import { Scheduler } from '../../src/batching/scheduler.js';
import type { Work, WorkResult } from '../../src/batching/work.js';
import { contract } from '../../src/wire/contract.js';
import { randomWeights, smallCard } from '../support/bundles.js';
import { chunks, context, withRunner } from '../support/engine.js';
import { valueOf } from '../support/outcomes.js';
import { call, failure, goldenRequest, serveGolden, startTestEngine } from '../support/service.js';

const card = smallCard({ state_dim: 64, hidden: 64, heads: 4, action_dim: 7 });
const model = { card, weights: randomWeights(card, 3) };

function schedulerOn(engine: Engine, bounds = DEFAULT_BOUNDS): Scheduler {
  return new Scheduler({
    engine,
    cache: new ContextCache({ maxBytes: 2 ** 28, maxLeaseMs: 1e6, newId: randomContextId }),
    clock: systemClock,
    queue: DEFAULT_QUEUE_BOUNDS,
    bounds,
    backgroundQueue: DEFAULT_QUEUE_BOUNDS,
    backgroundBounds: DEFAULT_BACKGROUND_BOUNDS,
  });
}

function work(contexts: number, candidates: number, steps: number, client = 'a'): Work {
  const { actions: values } = chunks(card, [0], candidates, steps, candidates);
  return {
    client,
    deadlineMs: Infinity,
    signal: new AbortController().signal,
    priority: 'normal',
    contexts: Array.from({ length: contexts }, (_, i) => ({
      kind: 'inline',
      encode: context(card, i, 20 + ((37 * i) % 200)),
    })),
    task: { kind: 'score', actions: { values, candidates, steps } },
  };
}

test('work that is cut scores bit for bit as work that is not', async (t) => {
  const engine = await startEngine(model, { provider: 'cpu', threads: 2 });
  t.after(() => engine.close());
  const seen: EngineBatch[] = [];
  const watched: Engine = { ...engine, info: engine.info, run: (batch) => (seen.push(batch), engine.run(batch)), close: () => engine.close() }; // prettier-ignore
  for (const [contexts, candidates, steps] of [
    [12, 40, 8],
    [3, 700, 8],
    [5, 9, 50],
    [2, 900, 1],
    [1, 129, 8],
  ] as const) {
    const asked = work(contexts, candidates, steps);
    const encode = asked.contexts.flatMap((each, slot) =>
      each.kind === 'inline' ? [{ ...each.encode, slot }] : [],
    );
    const slots = encode.map(({ slot }) => slot);
    const whole = await engine.run({
      encode,
      score: [{ ...chunks(card, slots, candidates, steps, candidates), slots }],
      release: slots,
    });
    const wanted = valueOf(whole.scored[0]);
    for (const bounds of [
      DEFAULT_BACKGROUND_BOUNDS,
      { tokens: 60, steps: 900, contexts: 2, ms: 1e9 },
      { tokens: 1, steps: 1, contexts: 1, ms: 1e9 },
    ]) {
      seen.length = 0;
      const { raw } = await schedulerOn(watched, { ...bounds, ms: 1e9 }).submit(asked);
      assert.ok(seen.length > 1, 'cut');
      assert.deepEqual(raw, wanted, `${contexts} x ${candidates} x ${steps} in ${seen.length} batches`);
    }
  }
});

test('the queries of a matrix that is cut are computed once, whoever comes between its pieces', () =>
  withRunner(model, async (runner, { query }) => {
    let rows = 0;
    const runInto = query.runInto.bind(query);
    query.runInto = (feeds, outputs) => ((rows += outputs.query!.dims[0]!), runInto(feeds, outputs));
    const engine: Engine = {
      info: { provider: 'cpu', precision: 'float32', refused: [], threads: 1, bytesPerToken: 512 },
      failed: new Promise(() => undefined),
      run: (batch) => runner.run(batch),
      close: () => Promise.resolve(),
    };
    const scheduler = schedulerOn(engine, { tokens: 200, steps: 256, contexts: 2, ms: 1e9 });
    const large = scheduler.submit(work(6, 100, 8));
    const small = scheduler.submit(work(1, 3, 8, 'b'));
    const other = scheduler.submit(work(5, 4, 8, 'c'));
    await Promise.all([large, small, other]);
    assert.equal(rows, (100 + 3 + 4) * 8);
  }));

test('a large matrix lets the requests of others pass between its pieces', async (t) => {
  const engine = await startEngine(model, { provider: 'cpu', threads: 1 });
  t.after(() => engine.close());
  const scheduler = schedulerOn(engine);
  await scheduler.submit(work(1, 16, 8));
  const order: string[] = [];
  const note = (name: string) => (result: WorkResult) => (order.push(name), result);
  const large = scheduler.submit(work(200, 400, 8)).then(note('matrix'));
  for (let i = 0; i < 5; i++) await scheduler.submit(work(1, 4, 8, 'b')).then(note('small'));
  const { timings, raw } = await large;
  assert.deepEqual(order, ['small', 'small', 'small', 'small', 'small', 'matrix']);
  assert.equal(raw!.length, 200 * 400 * 8);
  assert.ok(timings.queueMs > 0, 'it waited between its pieces');
});

/** Loses the results of the batches that it is told to, as a worker that runs out of memory does. */
class LosingEngine implements Engine {
  lose = 0;

  constructor(private readonly engine: Engine) {}

  get info(): Engine['info'] {
    return this.engine.info;
  }

  get failed(): Engine['failed'] {
    return this.engine.failed;
  }

  async run(batch: EngineBatch): Promise<EngineResult> {
    const result = await this.engine.run(batch);
    if (this.lose-- > 0) throw new Fault('internal', 'Array buffer allocation failed');
    return result;
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}

test('a batch that is lost fails its own requests; the model goes on', async (t) => {
  let losing: LosingEngine | undefined;
  const service = await serveGolden(['cross_relu_sigmoid'], {}, async (bundle) => {
    losing = new LosingEngine(await startTestEngine(bundle));
    return losing;
  });
  t.after(() => service.close());
  const request = goldenRequest('cross_relu_sigmoid');
  const score = (): Promise<unknown> => call(service.client, contract.energy.ScoreActions, request);
  await score();
  losing!.lose = 1;
  const error = await failure(score());
  assert.equal(error.code, 14, 'UNAVAILABLE');
  await score();
  await score();
});

test('the worker survives a batch that it cannot run, and forgets what the batch releases', async (t) => {
  const engine = await startEngine(model, { provider: 'cpu', threads: 1 });
  t.after(() => engine.close());
  const good = { encode: [context(card, 0, 5)], score: [chunks(card, [0], 2, 4)], release: [0] };
  await engine.run({ ...good, release: [] });
  const broken = {
    encode: [],
    score: [{ ...chunks(card, [0], 2, 4), actions: null as never }],
    release: [0],
  };
  await assert.rejects(engine.run(broken), { kind: 'internal' });
  const gone = await engine.run({ ...good, encode: [], release: [] });
  assert.equal(gone.scored[0]!.ok, false, 'the slot was released');
  assert.equal(valueOf((await engine.run(good)).scored[0]).length, 8);
});
