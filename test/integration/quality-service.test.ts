import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { status as Code } from '@grpc/grpc-js';
import type { Engine } from '../../src/engine/engine.js';
import type { ScoreOptions } from '../../src/generated/action_energy/v1/ScoreOptions.js';
import { loadBundle } from '../../src/model/bundle.js';
import type { ModelCard } from '../../src/model/card.js';
import { checkContext } from '../../src/model/context.js';
import { energiesFromRaw } from '../../src/model/energy.js';
import { toFloat32, type Tensor } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import {
  badField,
  call,
  failure,
  goldenContext,
  metricsPage,
  row,
  startTestEngine,
  tensorMessage,
} from '../support/service.js';
import {
  calibrationRows,
  calibrationTensors,
  exampleTensors,
  sendCalibration,
  serveTinyReach,
  TINY_EXPERTS,
  type TinyService,
} from '../support/tiny-reach.js';

let example: ReadonlyMap<string, Tensor>;
let service: TinyService;

async function scrape(): Promise<Map<string, number>> {
  const text = await metricsPage(service);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

async function scoreCall(context: number, options: ScoreOptions): Promise<void> {
  await call(service.client, contract.energy.ScoreActions, {
    inline: goldenContext(example, context),
    candidates: tensorMessage(row(example.get('candidates')!, context)),
    options,
  });
}

const OUTCOMES = 'action_energy_quality_samples_total{model="tiny-reach",outcome=';

/** Samples that ended, whatever became of them. */
function ended(metrics: Map<string, number>): number {
  return [...metrics].reduce((sum, [name, value]) => (name.startsWith(OUTCOMES) ? sum + value : sum), 0);
}

/** Scores and waits until its sample, of which there is one a request at share 1, has ended. */
async function sampled(context: number, options: ScoreOptions): Promise<Map<string, number>> {
  const before = ended(await scrape());
  await scoreCall(context, options);
  for (;;) {
    const metrics = await scrape();
    if (ended(metrics) > before) return metrics;
  }
}

/** Energy of candidate `candidate` of context `from` in context `context`, by an engine of the test's own. */
async function offline(
  engine: Engine,
  card: ModelCard,
  context: number,
  chunks: readonly (readonly [from: number, candidate: number])[],
): Promise<number[]> {
  const hidden = row(example.get('hidden')!, context);
  const { dtype, visible } = checkContext(hidden, row(example.get('pad_mask')!, context), card, 'context');
  const chunk = ([from, candidate]: readonly [number, number]): Float32Array =>
    toFloat32('candidates', row(row(example.get('candidates')!, from), candidate));
  const actions = Float32Array.from(chunks.flatMap((each) => [...chunk(each)]));
  const { scored } = await engine.run({
    encode: [{ slot: 0, dtype, bytes: hidden.bytes.slice(), visible, move: true }],
    score: [{ slots: [0], actions, candidates: chunks.length, steps: 8 }],
    release: [0],
  });
  const [outcome] = scored;
  assert.ok(outcome?.ok);
  const { readout, pool } = card;
  return Array.from(energiesFromRaw(outcome.value, 8, { readout, pool, score: 'readout' }).energies);
}

describe('live quality through the service', () => {
  before(async () => {
    example = await exampleTensors();
    service = await serveTinyReach({
      'metrics-address': '127.0.0.1:0',
      'quality-share': '1',
      'quality-patience-ms': '20000',
    });
  });
  after(() => service.close());

  it('shows energies, loss and accuracy as series that agree with an offline computation', async () => {
    // expert chunks of contexts 0 to 2 go into the reservoir, context 3 is compared with them
    for (const context of [0, 1, 2]) await sampled(context, { executedIndex: TINY_EXPERTS[context]! });
    const metrics = await sampled(3, { expertIndex: TINY_EXPERTS[3] });
    assert.ok(metrics.get(`${OUTCOMES}"taken",cause=""}`)! >= 1);
    const { card, weights } = await loadBundle(service.bundle);
    const engine = await startTestEngine({ card, weights });
    try {
      const experts = [3, 0, 1, 2].map((context) => [context, TINY_EXPERTS[context]!] as const);
      const [positive = NaN, ...negatives] = await offline(engine, card, 3, experts);
      const negative = negatives.reduce((sum, energy) => sum + energy) / negatives.length;
      const partition = [positive, ...negatives].reduce((sum, e) => sum + Math.exp(-e / card.tau), 0);
      const loss = positive / card.tau + Math.log(partition);
      const close = (name: string, wanted: number): void => {
        const found = metrics.get(`${name}{model="tiny-reach",source="expert"}`);
        assert.ok(Math.abs(found! - wanted) < 2e-5, `${name}: found ${found}, wanted ${wanted}`);
      };
      close('action_energy_positive_energy', positive);
      close('action_energy_negative_energy', negative);
      close('action_energy_energy_gap', negative - positive);
      close('action_energy_infonce_loss', loss);
      close('action_energy_infonce_chance', Math.log(4));
      close('action_energy_infonce_accuracy', Number(negatives.every((energy) => energy > positive)));
    } finally {
      await engine.close();
    }
    assert.ok(metrics.has('action_energy_positive_energy{model="tiny-reach",source="executed"}'));
    assert.equal(metrics.get('action_energy_top_margin_count{model="tiny-reach"}'), 4);
  });

  it('works for kept contexts, does not lengthen their lease, and leaves no request counted that was none', async () => {
    const before = await scrape();
    const kept = await call(service.client, contract.energy.PutContext, {
      context: goldenContext(example, 0),
    });
    const { contextId } = kept.context!;
    await call(service.client, contract.energy.ScoreActions, {
      contextId,
      candidates: tensorMessage(row(example.get('candidates')!, 0)),
    });
    for (;;) {
      const now = await scrape();
      if (ended(now) > ended(before)) {
        assert.ok(now.get(`${OUTCOMES}"taken",cause=""}`)! > before.get(`${OUTCOMES}"taken",cause=""}`)!);
        const requests = 'action_energy_batch_requests_sum{model="tiny-reach"}';
        assert.equal(now.get(requests)! - before.get(requests)!, 2);
        break;
      }
    }
    await call(service.client, contract.energy.DropContext, { contextId });
  });

  it('refuses an index that is none', async () => {
    const error = await failure(scoreCall(0, { expertIndex: 16 }));
    assert.equal(error.code, Code.INVALID_ARGUMENT);
    assert.equal(badField(error), 'options.expert_index');
  });

  it('shows drift once there is a calibration and enough energies', async () => {
    const data = await calibrationTensors();
    await sendCalibration(service.client, contract.calibration.Calibrate, [
      { header: { rows: 256, options: {} } },
      { rows: calibrationRows(data, 0, 256) },
    ]);
    const psi = 'action_energy_drift_psi{model="tiny-reach",source="expert"}';
    assert.equal((await scrape()).get(psi), undefined);
    // a wrong chunk as the expert's, over and over: nothing like the experts of the calibration
    for (let i = 0; i < 200; i++) await scoreCall(i % 4, { expertIndex: (TINY_EXPERTS[i % 4]! + 1) % 16 });
    assert.ok((await scrape()).get(psi)! > 0.25);
  });
});
