/** The rule REFINE over the wire: the energy falls, what must not move does not, and a loop always gets an answer. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { status as Code, type Client, type ServiceError } from '@grpc/grpc-js';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Refinement } from '../../src/generated/action_energy/v1/Refinement.js';
import type { SelectActionRequest } from '../../src/generated/action_energy/v1/SelectActionRequest.js';
import type { SelectActionResponse__Output } from '../../src/generated/action_energy/v1/SelectActionResponse.js';
import { contract } from '../../src/wire/contract.js';
import { floats32 } from '../../src/tensor/tensor.js';
import { GatedEngine } from '../support/gated-engine.js';
import { serveGated } from '../support/gated.js';
import type { EngineBatch, EngineResult } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import {
  badField,
  call,
  failure,
  goldenRequest,
  metricsPage,
  row,
  serveGolden,
  startTestEngine,
  tensorMessage,
  until,
  type TestService,
} from '../support/service.js';
import { exampleTensors, serveTinyReach, type TinyService } from '../support/tiny-reach.js';

const { SelectAction } = contract.selection;
const { ScoreActions } = contract.energy;

const tensors = await exampleTensors();
const CONTEXTS = 4;
const [, N = 0, H = 0, A = 0] = tensors.get('candidates')!.shape;
const GRIPPER = A - 1;
const ask = (index = 0, refinement?: Refinement) => ({
  inline: { hidden: tensorMessage(row(tensors.get('hidden')!, index)) },
  candidates: tensorMessage(row(tensors.get('candidates')!, index)),
  baselineIndex: 0,
  rule: 'REFINE' as const,
  ungated: true,
  ...(refinement && { refinement }),
});
const values = ({ data }: { readonly data: Buffer | Uint8Array | string }): Float32Array =>
  floats32(data as Uint8Array);
const startOf = (index: number, candidate: number): Float32Array =>
  values(tensorMessage(row(row(tensors.get('candidates')!, index), candidate)) as { data: Buffer });
const isStart = (answer: SelectActionResponse__Output, end: string, index = 0): void => {
  assert.deepEqual([answer.origin, answer.fallback], ['CANDIDATE', 'NONE'], answer.reason);
  assert.deepEqual([answer.refinement!.end, answer.refinement!.stepsTaken], [end, 0]);
  assert.equal(answer.refinement!.energy, answer.refinement!.startEnergy);
  assert.match(answer.reason, /; not moved: ./);
  assert.deepEqual(values(answer.action!), startOf(index, answer.candidateIndex));
};

describe('REFINE on the bundled model', () => {
  let service: TinyService;
  let client: Client;
  before(async () => {
    service = await serveTinyReach();
    ({ client } = service);
  });
  after(() => service.close());

  test('the energy falls, and is what ScoreActions gives for the chunk', async () => {
    for (let index = 0; index < CONTEXTS; index++) {
      for (const score of ['READOUT', 'LOGIT'] as const) {
        const answer = await call(client, SelectAction, { ...ask(index), score });
        const { refinement, action, energies, candidateIndex } = answer;
        assert.deepEqual([answer.origin, answer.rule, answer.fallback], ['REFINED', 'REFINE', 'NONE']);
        assert.equal(energies[candidateIndex], Math.min(...energies));
        assert.equal(refinement!.startEnergy, energies[candidateIndex]);
        assert.ok(refinement!.energy < refinement!.startEnergy && refinement!.stepsTaken > 0);
        assert.deepEqual(action!.shape, [H, A]);
        assert.deepEqual(
          answer.weights,
          Array.from({ length: N }, (_, i) => Number(i === candidateIndex)),
        );
        const { inline } = ask(index);
        const options = { score };
        const scored = await call(client, ScoreActions, { inline, candidates: action!, options });
        assert.ok(Math.abs(scored.energies[0]! - refinement!.energy) <= 2e-6 * Math.abs(refinement!.energy));
        assert.match(answer.reason, /has the lowest energy, without a gate; moved by/);
      }
    }
  });

  test('one step goes where the gradient of ScoreActions points', async () => {
    const { inline, candidates } = ask();
    const options = { actionGradients: true };
    const scored = await call(client, ScoreActions, { inline, candidates, options });
    const answer = await call(client, SelectAction, ask(0, { steps: 1, stepLength: 1e-3 }));
    const { candidateIndex, action } = answer;
    const gradient = values(scored.actionGradients!).slice(
      candidateIndex * H * A,
      (candidateIndex + 1) * H * A,
    );
    const from = startOf(0, candidateIndex);
    const moved = values(action!).map((value, k) => value - from[k]!);
    // in the plane of what may move the step is against the gradient
    let [dot, a, b] = [0, 0, 0];
    for (const [k, by] of moved.entries()) {
      if (k % A === GRIPPER) continue;
      dot -= by * gradient[k]!;
      a += by ** 2;
      b += gradient[k]! ** 2;
    }
    assert.ok(dot / Math.sqrt(a * b) > 0.999, `cosine ${dot / Math.sqrt(a * b)}`);
  });

  test('the gripper is left alone, and so are dims that are not named', async () => {
    const all = await call(client, SelectAction, ask());
    const some = await call(client, SelectAction, ask(0, { dims: [1] }));
    for (const [answer, mayMove] of [
      [all, (dim: number) => dim !== GRIPPER],
      [some, (dim: number) => dim === 1],
    ] as const) {
      const from = startOf(0, answer.candidateIndex);
      let moved = 0;
      for (const [k, value] of values(answer.action!).entries()) {
        if (mayMove(k % A)) moved += Number(value !== from[k]);
        else assert.equal(value, from[k]);
      }
      assert.ok(moved > 0);
    }
  });

  test('no value goes further than the trust radius', async () => {
    for (const trustRadius of [0.01, 0.05]) {
      const answer = await call(client, SelectAction, ask(0, { steps: 16, stepLength: 0.1, trustRadius }));
      const from = startOf(0, answer.candidateIndex);
      const most = Math.max(...values(answer.action!).map((value, k) => Math.abs(value - from[k]!)));
      assert.ok(most <= trustRadius + 1e-7 && most > 0.9 * trustRadius, String(most));
      assert.ok(Math.abs(answer.refinement!.displacement - most) < 1e-9);
    }
  });

  test('the context is encoded once, whether it is kept or not', async () => {
    const first = await call(client, SelectAction, { ...ask(), keepContext: {} });
    const { contextId } = first.context!;
    const again = await call(client, SelectAction, { ...ask(), inline: null, contextId });
    assert.deepEqual(values(again.action!), values(first.action!));
    assert.equal(again.timings!.encodeMs, 0);
    assert.ok(first.timings!.encodeMs > 0);
  });

  const WRONG: [string, SelectActionRequest, string][] = [
    ['too many steps', ask(0, { steps: 2 ** 32 - 1 }), 'refinement.steps'],
    ['a NaN step', ask(0, { stepLength: NaN }), 'refinement.step_length'],
    ['a negative radius', ask(0, { trustRadius: -1 }), 'refinement.trust_radius'],
    ['a huge radius', ask(0, { trustRadius: 1e300 }), 'refinement.trust_radius'],
    ['a dim that is none', ask(0, { dims: [A] }), 'refinement.dims[0]'],
    ['more dims than there are', ask(0, { dims: [0, 1, 2, 3, 4, 5, 0] }), 'refinement.dims[6]'],
    ['the gripper', ask(0, { dims: [GRIPPER] }), 'refinement.dims[0]'],
    ['another rule', { ...ask(0, {}), rule: 'ENERGY' }, 'refinement'],
    ['a score without gradient', { ...ask(), score: 'CORRECTED' }, 'score'],
  ];
  for (const [name, request, field] of WRONG) {
    test(`wrong input: ${name}`, async () => {
      assert.equal(badField(await failure(call(client, SelectAction, request))), field);
    });
  }
});

describe('REFINE behind the gate', () => {
  test('moves what the gate accepts, and nothing else', async () => {
    for (const [margin, origin, fallback] of [
      [0, 'REFINED', 'NONE'],
      [1e6, 'BASELINE', 'GATE_REFUSED'],
    ] as const) {
      const service = await serveGated(margin);
      try {
        const answer = await call(service.client, SelectAction, {
          ...ask(),
          ungated: false,
          score: 'READOUT',
        });
        assert.deepEqual([answer.origin, answer.fallback], [origin, fallback], answer.reason);
        assert.equal(answer.refinement === null, origin === 'BASELINE');
      } finally {
        await service.close();
      }
    }
  });

  test('without a calibration it is the baseline', async () => {
    const service = await serveTinyReach();
    try {
      const answer = await call(service.client, SelectAction, { ...ask(), ungated: false });
      assert.deepEqual([answer.origin, answer.fallback], ['BASELINE', 'NOT_CALIBRATED']);
    } finally {
      await service.close();
    }
  });
});

describe('REFINE within bounds and room', () => {
  test('an engine that encodes in 8 bits refines what it scores', async () => {
    const CASE = 'cross_relu_sigmoid';
    const service = await serveGolden([CASE], {}, (bundle) =>
      startEngine(bundle, { provider: 'cpu', threads: 1, precision: 'int8' }),
    );
    try {
      const { inline, candidates } = goldenRequest(CASE);
      const answer = await call(service.client, SelectAction, {
        ...{ inline, candidates, baselineIndex: 0, ungated: true },
        rule: 'REFINE',
      });
      assert.equal(answer.origin, 'REFINED', answer.reason);
      const again = await call(service.client, ScoreActions, { inline, candidates: answer.action! });
      const { energy } = answer.refinement!;
      assert.ok(Math.abs(again.energies[0]! - energy) <= 2e-6 * Math.max(1, Math.abs(energy)));
    } finally {
      await service.close();
    }
  });

  test('the bounds of the card hold for whatever comes out', async () => {
    const BOUND = 0.9;
    const service = await serveTinyReach({}, async (bundle) => {
      const file = path.join(bundle, 'energy.json');
      const card = JSON.parse(await readFile(file, 'utf8')) as { actions: object };
      const bounds = { low: Array<number>(A).fill(-BOUND), high: Array<number>(A).fill(BOUND) };
      await writeFile(file, JSON.stringify({ ...card, actions: { ...card.actions, bounds } }));
    });
    try {
      const clipped = values(ask().candidates as { data: Buffer }).map((value) =>
        Math.max(-Math.fround(BOUND - 1e-7), Math.min(Math.fround(BOUND - 1e-7), value)),
      );
      const candidates = { ...ask().candidates, data: Buffer.from(clipped.buffer) };
      const refinement = { steps: 16, stepLength: 0.2, trustRadius: 10 };
      const request = { ...ask(0, refinement), candidates };
      const answer = await call(service.client, SelectAction, request);
      const found = values(answer.action!);
      assert.equal(answer.origin, 'REFINED');
      assert.ok(found.every((value) => Math.abs(value) <= BOUND));
      assert.ok(
        found.some((value) => Math.abs(value) > BOUND - 1e-6),
        'something lies at a wall',
      );
    } finally {
      await service.close();
    }
  });

  test('a cache without room: the candidate that it began with', async () => {
    const service = await serveTinyReach({ 'context-bytes': '1' });
    try {
      isStart(await call(service.client, SelectAction, ask()), 'ROOM');
      const kept = await call(service.client, SelectAction, { ...ask(), keepContext: {} });
      assert.notEqual(kept.keepRefused, '');
    } finally {
      await service.close();
    }
  });
});

/** Lets so many scoring batches through and holds the next. */
class SteppedEngine extends GatedEngine {
  left = Infinity;

  override run(batch: EngineBatch): Promise<EngineResult> {
    if (batch.score.length > 0 && this.left-- <= 0) this.shut();
    return super.run(batch);
  }
}

describe('REFINE when the engine is not there in time', () => {
  const CASE = 'cross_relu_sigmoid';
  const golden = { ...goldenRequest(CASE), baselineIndex: 2, rule: 'REFINE', ungated: true } as const;
  let service: TestService;
  let engine: SteppedEngine;
  before(async () => {
    service = await serveGolden([CASE], { 'metrics-address': '127.0.0.1:0' }, async (bundle) => {
      engine = new SteppedEngine(await startTestEngine(bundle));
      return engine;
    });
    await call(service.client, SelectAction, golden); // its graph is there from now on
  });
  after(async () => {
    engine.open();
    await service.close();
  });
  const goOn = (): void => {
    engine.left = Infinity;
    engine.open();
  };
  afterEach(goOn);
  const nothingPinned = async (): Promise<boolean> => {
    return /action_energy_context_cache_bytes\{[^}]*\} 0\n/.test(await metricsPage(service));
  };

  test('no energies: the baseline', async () => {
    engine.left = 0;
    const answer = await call(service.client, SelectAction, { ...golden, timeoutMs: 30 });
    assert.deepEqual([answer.origin, answer.fallback], ['BASELINE', 'DEADLINE']);
    assert.equal(answer.refinement, null);
  });

  // one batch for the energies, one for the gradient where it begins, one a step
  for (const [batches, taken] of [
    [1, 0],
    [2, 0],
    [3, 1],
    [4, 2],
  ] as const) {
    test(`${batches} batches in time: ${taken} steps, marked`, async () => {
      engine.left = batches;
      const answer = await call(service.client, SelectAction, { ...golden, timeoutMs: 400 });
      const { origin, fallback, refinement, reason } = answer;
      assert.deepEqual([refinement!.end, refinement!.stepsTaken], ['TIME', taken], reason);
      assert.deepEqual([origin, fallback], [taken === 0 ? 'CANDIDATE' : 'REFINED', 'NONE']);
      assert.match(reason, /the time was up$/);
      goOn();
      assert.ok(await nothingPinned());
    });
  }

  test('a caller who leaves in the middle leaves nothing pinned', async () => {
    engine.left = 2;
    const { path: method, requestSerialize, responseDeserialize } = SelectAction;
    const left = new Promise<unknown>((resolve) => {
      const { client } = service;
      const pending = client.makeUnaryRequest(method, requestSerialize, responseDeserialize, golden, resolve);
      void until(() => engine.left < 0)
        .then(nothingPinned)
        .then((empty) => assert.ok(!empty))
        .finally(() => pending.cancel());
    });
    assert.equal(((await left) as ServiceError).code, Code.CANCELLED);
    await until(nothingPinned);
    goOn();
    assert.equal((await call(service.client, SelectAction, golden)).origin, 'REFINED');
  });

  test('an engine that dies in the middle: the best so far', async () => {
    engine.left = 3;
    const answer = call(service.client, SelectAction, golden);
    await until(() => engine.left < 0);
    engine.die();
    const { origin, refinement } = await answer;
    assert.deepEqual([origin, refinement!.end, refinement!.stepsTaken], ['REFINED', 'FAILED', 1]);
  });
});
