/** The golden cases through the wire, and the wire against the bare engine bit for bit. */
import assert from 'node:assert/strict';
import type { Client } from '@grpc/grpc-js';
import { after, before, describe, test } from 'node:test';
import type { EncodeItem } from '../../src/engine/engine.js';
import { energiesFromRaw, rank } from '../../src/model/energy.js';
import { visibleRanges } from '../../src/model/context.js';
import { contract } from '../../src/wire/contract.js';
import { fromFloat32, toFloat32, type FloatDType, type Tensor } from '../../src/tensor/tensor.js';
import { float64Values, goldenModel, goldenTensors, GOLDEN_CASES } from '../support/bundles.js';
import {
  call,
  goldenContext,
  row,
  serveGolden,
  startTestEngine,
  tensorMessage,
  type TestService,
} from '../support/service.js';

const TOLERANCE = 2e-5;

function closeTo(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) {
    assert.ok(Math.abs(actual[i]! - expected[i]!) <= TOLERANCE, `[${i}] ${actual[i]} against ${expected[i]}`);
  }
}

describe('golden cases through the wire', () => {
  let service: TestService;
  let client: Client;
  before(async () => {
    service = await serveGolden(GOLDEN_CASES);
    ({ client } = service);
  });
  after(() => service.close());

  for (const name of GOLDEN_CASES) {
    const inputs = goldenTensors(name, 'inputs');
    const expected = goldenTensors(name, 'expected');
    const actions = inputs.get('actions')!;
    const matrix = float64Values(expected.get('matrix')!);
    const rows = actions.shape[0]!;

    test(`${name}: ScoreActions`, async () => {
      for (let i = 0; i < rows; i++) {
        const answer = await call(client, contract.energy.ScoreActions, {
          model: name,
          inline: goldenContext(inputs, i),
          candidates: tensorMessage(actions),
          options: { perStep: true, logits: true, baselineIndex: 0, topK: 2 },
        });
        const wanted = matrix.slice(i * rows, (i + 1) * rows);
        closeTo(answer.energies, wanted);
        assert.deepEqual(answer.ranking, [...rank(wanted)].slice(0, 2));
        assert.equal(answer.bestIndex, answer.ranking[0]);
        assert.ok(Math.abs(answer.probabilities.reduce((a, b) => a + b, 0) - 1) < 1e-12);
        assert.ok(answer.baseline);
        assert.equal(answer.baseline.energy, answer.energies[0]);
        assert.equal(answer.baseline.advantage, answer.energies[0]! - Math.min(...answer.energies));
        assert.equal(answer.baseline.rank, rank(wanted).indexOf(0));
        assert.equal(answer.logits.length, rows);
        assert.equal(answer.model?.name, name);
        assert.match(answer.model.digest, /^[0-9a-f]{64}$/);
        const steps = answer.stepEnergies!;
        assert.deepEqual(steps.shape, actions.shape.slice(0, 2));
        const own = float64Values(expected.get('steps')!).slice(
          i * steps.shape[1]!,
          (i + 1) * steps.shape[1]!,
        );
        const values = toFloat32('steps', { dtype: 'float32', shape: steps.shape, bytes: steps.data });
        closeTo(values.slice(i * steps.shape[1]!, (i + 1) * steps.shape[1]!), own);
      }
    });

    test(`${name}: EnergyMatrix, inline and kept contexts alike`, async () => {
      const contexts = [];
      for (let i = 0; i < rows; i++) {
        if (i % 2 === 0) {
          contexts.push({ inline: goldenContext(inputs, i) });
          continue;
        }
        const put = await call(client, contract.energy.PutContext, {
          model: name,
          context: goldenContext(inputs, i),
        });
        contexts.push({ contextId: put.context!.contextId });
      }
      const answer = await call(client, contract.energy.EnergyMatrix, {
        model: name,
        contexts,
        actions: tensorMessage(actions),
      });
      const { shape, data } = answer.energies!;
      assert.deepEqual(shape, [rows, rows]);
      closeTo(toFloat32('energies', { dtype: 'float32', shape, bytes: data }), matrix);
      for (const [key, tensor] of [
        ['infonceLoss', 'swap_infonce'],
        ['positiveEnergy', 'positive_energy'],
        ['negativeEnergy', 'negative_energy'],
      ] as const) {
        assert.ok(Math.abs(answer.metrics![key] - float64Values(expected.get(tensor)!)[0]!) < 1e-4, key);
      }
    });

    for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
      test(`${name}: ${dtype} over the wire equals the engine bit for bit, inline and kept`, async () => {
        const { card } = goldenModel(name);
        const hidden = rounded(row(inputs.get('hidden')!, 0), dtype);
        const chunks = rounded(actions, dtype);
        const mask = inputs.get('pad_mask');
        const padMask = mask && row(mask, 0);
        const [N = 0, H = 0] = chunks.shape;
        const engine = await startTestEngine(goldenModel(name));
        const encode: EncodeItem = {
          slot: 0,
          dtype,
          bytes: hidden.bytes,
          visible: visibleRanges(padMask?.bytes, hidden.shape.length === 1 ? 1 : hidden.shape[0]!),
          move: false,
        };
        const { scored } = await engine.run({
          encode: [encode],
          score: [{ slots: [0], actions: toFloat32('actions', chunks), candidates: N, steps: H }],
          release: [0],
        });
        await engine.close();
        const [outcome] = scored;
        assert.ok(outcome?.ok === true);
        const options = { readout: card.readout, pool: card.pool, score: 'readout' } as const;
        const wanted = [...energiesFromRaw(outcome.value, H, options).energies];

        const inline = { hidden: tensorMessage(hidden), ...(padMask && { padMask: tensorMessage(padMask) }) };
        const request = { model: name, candidates: tensorMessage(chunks) };
        const fresh = await call(client, contract.energy.ScoreActions, {
          ...request,
          inline,
          options: { keepContext: { leaseMs: 10_000 } },
        });
        assert.deepEqual(fresh.energies, wanted);
        const contextId = fresh.context!.contextId;
        const kept = await call(client, contract.energy.ScoreActions, { ...request, contextId });
        assert.deepEqual(kept.energies, wanted);
        const dropped = await call(client, contract.energy.DropContext, { model: name, contextId });
        assert.equal(dropped.bytes, fresh.context!.bytes);
      });
    }
  }
});

function rounded(tensor: Tensor, dtype: FloatDType): Tensor {
  return fromFloat32(dtype, tensor.shape, toFloat32('tensor', tensor));
}
