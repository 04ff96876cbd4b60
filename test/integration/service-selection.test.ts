/** SelectAction and ReportOutcome over the wire: what is chosen, what stands in the way, and that a loop always gets an answer. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { status as Code, type Client, type ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import type { SelectActionRequest } from '../../src/generated/action_energy/v1/SelectActionRequest.js';
import type { SelectActionResponse__Output } from '../../src/generated/action_energy/v1/SelectActionResponse.js';
import type { Tensor, Tensor__Output } from '../../src/generated/action_energy/v1/Tensor.js';
import { floats32 } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import { serveGatedEngines, type GatedEngine, type GatedService } from '../support/gated-engine.js';
import {
  addressOf,
  badField,
  call,
  failure,
  goldenRequest,
  metricsPage,
  openClient,
  serveGolden,
  until,
  type TestService,
} from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const { inline, candidates } = goldenRequest(CASE);
const [N = 0, H = 0, A = 0] = candidates.shape!;
const { SelectAction, ReportOutcome } = contract.selection;
const { ScoreActions } = contract.energy;
const BASELINE = 2;
const good = {
  inline,
  candidates,
  baselineIndex: BASELINE,
  rule: 'ENERGY',
  ungated: true,
} as const satisfies SelectActionRequest;

const values = (tensor: Tensor__Output | null): number[] => Array.from(floats32(tensor!.data));
const chunk = (index: number): number[] =>
  Array.from(floats32(candidates.data as Buffer)).slice(index * H * A, (index + 1) * H * A);
const isBaseline = (answer: SelectActionResponse__Output, fallback: string): void => {
  assert.deepEqual([answer.origin, answer.fallback], ['BASELINE', fallback], answer.reason);
  assert.equal(answer.candidateIndex, BASELINE);
  assert.deepEqual(values(answer.action), chunk(BASELINE));
  assert.deepEqual(
    answer.weights,
    Array.from({ length: N }, (_, i) => Number(i === BASELINE)),
  );
  assert.match(answer.requestId, /^[0-9a-f]{24}$/);
  assert.match(answer.reason, /^the baseline: ./);
};

describe('SelectAction', () => {
  let service: TestService;
  let client: Client;
  before(async () => {
    service = await serveGolden([CASE], { 'max-candidates': '32', 'max-tokens': '64' });
    ({ client } = service);
  });
  after(() => service.close());

  test('the lowest energy is what ScoreActions ranks first, by the same energies', async () => {
    const scored = await call(client, ScoreActions, { inline, candidates });
    const answer = await call(client, SelectAction, good);
    assert.deepEqual(answer.energies, scored.energies);
    assert.deepEqual([answer.origin, answer.rule, answer.fallback], ['CANDIDATE', 'ENERGY', 'NONE']);
    assert.equal(answer.candidateIndex, scored.bestIndex);
    assert.deepEqual(values(answer.action), chunk(scored.bestIndex));
    assert.deepEqual(answer.action!.shape, [H, A]);
    assert.equal(answer.gate, null);
    assert.equal(answer.model!.name, CASE);
    const byLogit = await call(client, SelectAction, { ...good, score: 'LOGIT' });
    const logits = await call(client, ScoreActions, { inline, candidates, options: { score: 'LOGIT' } });
    assert.deepEqual(byLogit.energies, logits.energies);
  });

  test('an average is the mean of the candidates by its weights', async () => {
    const answer = await call(client, SelectAction, { ...good, rule: 'ENERGY_MEAN' });
    assert.ok(Math.abs(answer.weights.reduce((a, b) => a + b) - 1) < 1e-12);
    if (answer.origin === 'CANDIDATE') assert.deepEqual(values(answer.action), chunk(answer.candidateIndex));
    else {
      const mean = chunk(0).map((_, k) => answer.weights.reduce((sum, w, i) => sum + w * chunk(i)[k]!, 0));
      for (const [k, value] of values(answer.action).entries()) assert.ok(Math.abs(value - mean[k]!) < 1e-6);
    }
  });

  test('a consensus stands beside every answer, and is a rule of its own', async () => {
    const answer = await call(client, SelectAction, { ...good, rule: 'CONSENSUS', ungated: false });
    assert.deepEqual([answer.origin, answer.fallback, answer.energies.length], ['CANDIDATE', 'NONE', N]);
    const other = await call(client, SelectAction, good);
    assert.equal(answer.candidateIndex, other.consensus!.index);
    assert.deepEqual(values(answer.action), values(other.consensus!.action));
    assert.ok(other.consensus!.modes >= 1);
  });

  test('without a calibration an energy rule and AUTO are the baseline', async () => {
    for (const rule of ['AUTO', 'RULE_UNSPECIFIED', 'ENERGY', 'ENERGY_MEAN', 'CONSENSUS_OF_BEST'] as const) {
      const answer = await call(client, SelectAction, { ...good, rule, ungated: false });
      isBaseline(answer, 'NOT_CALIBRATED');
      assert.equal(answer.energies.length, 0);
    }
  });

  test('a kept context is chosen for by its id', async () => {
    const first = await call(client, SelectAction, { ...good, keepContext: {} });
    const { contextId } = first.context!;
    const rest = { ...good, inline: null };
    const again = await call(client, SelectAction, { ...rest, contextId });
    assert.deepEqual(again.energies, first.energies);
    const gone = await failure(call(client, SelectAction, { ...rest, contextId: 'gone' }));
    assert.equal(gone.code, Code.NOT_FOUND);
    const at = await call(client, SelectAction, { ...good, ungated: false, keepContext: {} });
    assert.match(at.keepRefused, /not encoded/);
  });

  test('one candidate is executed', async () => {
    const one: Tensor = {
      ...candidates,
      shape: [H, A],
      data: (candidates.data as Buffer).subarray(0, H * A * 4),
    };
    const answer = await call(client, SelectAction, { ...good, candidates: one, baselineIndex: 0 });
    assert.deepEqual(values(answer.action), chunk(0));
    assert.deepEqual(answer.weights, [1]);
  });

  const nan = Buffer.from(candidates.data as Buffer);
  nan.writeFloatLE(NaN, 4 * (A + 1));
  const blind = Buffer.from(inline.hidden!.data as Buffer);
  blind.writeFloatLE(NaN, 0);
  const WRONG: [string, SelectActionRequest, Code, string | RegExp | undefined][] = [
    ['nothing', {}, Code.INVALID_ARGUMENT, 'candidates'],
    ['an unknown model', { ...good, model: 'nobody' }, Code.NOT_FOUND, undefined],
    ['no context', { ...good, inline: null }, Code.INVALID_ARGUMENT, 'inline'],
    [
      'no context and nothing to ask',
      { ...good, ungated: false, inline: null },
      Code.INVALID_ARGUMENT,
      'inline',
    ],
    ['a baseline that is none', { ...good, baselineIndex: N }, Code.INVALID_ARGUMENT, 'baseline_index'],
    ['an unknown rule', { ...good, rule: 77 as never }, Code.INVALID_ARGUMENT, 'rule'],
    ['an unknown score', { ...good, score: 77 as never }, Code.INVALID_ARGUMENT, 'score'],
    ['AUTO without gate', { ...good, rule: 'AUTO' }, Code.INVALID_ARGUMENT, 'ungated'],
    [
      'AUTO by a score',
      { ...good, rule: 'AUTO', ungated: false, score: 'LOGIT' },
      Code.INVALID_ARGUMENT,
      'score',
    ],
    [
      'a NaN action',
      { ...good, candidates: { ...candidates, data: nan } },
      Code.INVALID_ARGUMENT,
      /^candidates\[0, 1, 1\]/,
    ],
    [
      'a NaN token',
      { ...good, inline: { ...inline, hidden: { ...inline.hidden, data: blind } } },
      Code.INVALID_ARGUMENT,
      /hidden/,
    ],
    ['no time', { ...good, episodeStep: NaN }, Code.INVALID_ARGUMENT, 'episode_step'],
    ['an id beyond doubles', { ...good, episodeId: String(2 ** 53) }, Code.INVALID_ARGUMENT, 'episode_id'],
    [
      'a lying shape',
      { ...good, candidates: { ...candidates, shape: [N + 1, H, A] } },
      Code.INVALID_ARGUMENT,
      /^candidates/,
    ],
    [
      'keeping what is kept',
      { ...good, inline: null, contextId: 'x', keepContext: {} },
      Code.INVALID_ARGUMENT,
      'keep_context',
    ],
  ];
  for (const [name, request, code, field] of WRONG) {
    test(`wrong input: ${name}`, async () => {
      const error = await failure(call(client, SelectAction, request));
      assert.equal(error.code, code, error.message);
      if (field instanceof RegExp) assert.match(badField(error) ?? '', field);
      else assert.equal(badField(error), field);
    });
  }

  test('bytes of a fuzzer: a typed error or a chunk for each, and the server answers after', async () => {
    const refinement = { steps: 3, stepLength: 0.05, trustRadius: 0.2, dims: [0, 1] };
    const wholes = fc.constantFrom(
      SelectAction.requestSerialize(good),
      SelectAction.requestSerialize({ ...good, rule: 'REFINE', refinement }),
    );
    const raw = { ...SelectAction, requestSerialize: (bytes: Buffer) => bytes };
    // the tail holds the options, the refinement among them
    const place = fc.oneof(
      fc.nat(),
      fc.nat(63).map((fromEnd) => -1 - fromEnd),
    );
    const edits = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 8 });
    const flipped = fc.tuple(wholes, edits).map(([whole, pairs]) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of pairs) bytes[(at < 0 ? bytes.length : 0) + (at % bytes.length)] = value;
      return bytes;
    });
    const cut = fc.tuple(wholes, place).map(([whole, at]) => whole.subarray(0, at % whole.length));
    const noise = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(fc.oneof(flipped, cut, noise), async (bytes) => {
        try {
          const { action, weights } = await call(client, raw, bytes);
          assert.ok(values(action).every(Number.isFinite));
          assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-9);
        } catch (error) {
          if (!(error instanceof Error && 'code' in error)) throw error;
          assert.ok(
            [Code.INVALID_ARGUMENT, Code.NOT_FOUND].includes((error as ServiceError).code),
            String(error),
          );
        }
      }),
      { numRuns: 400 },
    );
    assert.equal((await call(client, SelectAction, good)).origin, 'CANDIDATE');
  });
});

describe('SelectAction when the engine is not there in time', () => {
  let service: GatedService;
  let engine: GatedEngine;
  let client: Client;
  before(async () => {
    service = await serveGatedEngines([CASE], { 'queue-items': '1' });
    ({ client, engine } = service);
  });
  after(async () => {
    engine.open(); // also after a test that failed
    await service.close();
  });

  test("a deadline, asked for or the call's own: the baseline in time", async () => {
    engine.shut();
    isBaseline(await call(client, SelectAction, { ...good, timeoutMs: 30 }), 'DEADLINE');
    // the call lives: the answer came before its deadline
    isBaseline(await call(client, SelectAction, good, { timeoutMs: 300 }), 'DEADLINE');
    const consensus = await call(client, SelectAction, { ...good, rule: 'CONSENSUS', timeoutMs: 30 });
    assert.deepEqual([consensus.origin, consensus.energies.length], ['CANDIDATE', 0]);
    assert.match(consensus.reason, /medoid, without energies: the time was up/);
    engine.open();
  });

  test('a full queue: the baseline at once, and what was accepted is answered', async () => {
    engine.shut();
    const before = engine.batches;
    const running = call(client, ScoreActions, { inline, candidates });
    await until(() => engine.batches > before);
    const other = openClient(addressOf(service.server));
    const waiting = call(other, ScoreActions, { inline, candidates });
    await until(async () => /action_energy_queue_depth\{.*\} 1\n/.test(await metricsPage(service)));
    isBaseline(await call(client, SelectAction, good), 'OVERLOAD');
    engine.open();
    await Promise.all([running, waiting]);
    other.close();
    assert.equal((await call(client, SelectAction, good)).fallback, 'NONE');
    const page = await metricsPage(service);
    for (const result of ['deadline', 'overload', 'candidate']) {
      assert.match(
        page,
        new RegExp(`selections_total\\{model="${CASE}",rule="energy",result="${result}"\\} [12]`),
      );
    }
  });

  test('a dead engine: the baseline', async () => {
    engine.shut();
    const before = engine.batches;
    const answer = call(client, SelectAction, good);
    await until(() => engine.batches > before);
    engine.die();
    isBaseline(await answer, 'ENGINE');
    isBaseline(await call(client, SelectAction, good), 'ENGINE');
  });
});

describe('ReportOutcome', () => {
  let service: TestService;
  let client: Client;
  before(async () => {
    service = await serveGolden([CASE]);
    ({ client } = service);
  });
  after(() => service.close());

  test('takes an outcome once, and says why it does not count', async () => {
    const { requestId } = await call(client, SelectAction, good);
    const report = await call(client, ReportOutcome, { requestId, success: true });
    assert.deepEqual([report.decisions, report.counted, report.monitor], [1, false, null]);
    assert.match(report.notCounted, /nothing to compare/);
    const again = await failure(call(client, ReportOutcome, { requestId, success: true }));
    assert.equal(again.code, Code.NOT_FOUND);
  });

  test("an episode's outcome reaches all its decisions", async () => {
    const ids: string[] = [];
    for (const episodeId of ['1', '1', '2']) {
      ids.push((await call(client, SelectAction, { ...good, episodeId })).requestId);
    }
    const report = await call(client, ReportOutcome, { requestId: ids[1]!, cost: 0.5, wholeEpisode: true });
    assert.equal(report.decisions, 2);
    assert.equal(
      (await failure(call(client, ReportOutcome, { requestId: ids[0]!, cost: 0 }))).code,
      Code.NOT_FOUND,
    );
    assert.equal((await call(client, ReportOutcome, { requestId: ids[2]!, cost: 0 })).decisions, 1);
  });

  test('wrong reports', async () => {
    const { requestId } = await call(client, SelectAction, good);
    for (const [report, code, field] of [
      [{}, Code.INVALID_ARGUMENT, 'outcome'],
      [{ success: true }, Code.NOT_FOUND, undefined],
      [{ requestId: 'x'.repeat(10_000), success: true }, Code.NOT_FOUND, undefined],
      [{ requestId }, Code.INVALID_ARGUMENT, 'outcome'],
      [{ requestId, cost: NaN }, Code.INVALID_ARGUMENT, 'cost'],
      [{ requestId, cost: 1.5 }, Code.INVALID_ARGUMENT, 'cost'],
      [{ requestId, cost: 1, baselineCost: -1 }, Code.INVALID_ARGUMENT, 'baseline_cost'],
      [{ requestId, cost: 1, executedIndex: N }, Code.INVALID_ARGUMENT, 'executed_index'],
      [{ requestId, cost: 1, wholeEpisode: true }, Code.INVALID_ARGUMENT, 'whole_episode'],
    ] as const) {
      const error = await failure(call(client, ReportOutcome, report));
      assert.equal(error.code, code, error.message);
      assert.equal(badField(error), field);
    }
    // none of them used the decision up
    assert.equal((await call(client, ReportOutcome, { requestId, cost: 1 })).decisions, 1);
  });
});
