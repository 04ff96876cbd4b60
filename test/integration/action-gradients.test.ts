/** dE/dA in ScoreActions: PyTorch's golden gradients, finite differences for every score and pool, and energies as without. */
import assert from 'node:assert/strict';
import type { Client } from '@grpc/grpc-js';
import { after, before, describe, test } from 'node:test';
import type { Engine, Slope } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import type { Pool } from '../../src/model/card.js';
import { energiesFromRaw, poolWeights, type Score } from '../../src/model/energy.js';
import { contract } from '../../src/wire/contract.js';
import type { Pool as PoolMessage } from '../../src/generated/action_energy/v1/Pool.js';
import type { ScoreActionsResponse__Output } from '../../src/generated/action_energy/v1/ScoreActionsResponse.js';
import { float64Values, goldenTensors, GOLDEN_CASES, randomWeights, smallCard } from '../support/bundles.js';
import { chunks, context, scoreAll } from '../support/engine.js';
import {
  badField,
  call,
  failure,
  goldenContext,
  serveGolden,
  tensorMessage,
  type TestService,
} from '../support/service.js';

/** Of the largest element; float32 in the graph against float64. */
const TOLERANCE = 1e-4;

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

describe('golden gradients through the wire', () => {
  let service: TestService;
  let client: Client;
  before(async () => {
    service = await serveGolden(GOLDEN_CASES);
    ({ client } = service);
  });
  after(() => service.close());

  for (const name of GOLDEN_CASES) {
    test(name, async () => {
      const inputs = goldenTensors(name, 'inputs');
      const actions = inputs.get('actions')!;
      const [rows = 0, steps = 0, dims = 0] = actions.shape;
      const wanted = float64Values(goldenTensors(name, 'expected').get('action_grad')!);
      const size = steps * dims;
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (let i = 0; i < rows; i++) {
        const request = {
          model: name,
          inline: goldenContext(inputs, i),
          candidates: tensorMessage(actions),
        };
        const plain = await call(client, contract.energy.ScoreActions, request);
        assert.equal(plain.actionGradients, null);
        const answer = await call(client, contract.energy.ScoreActions, {
          ...request,
          options: { actionGradients: true },
        });
        assert.deepEqual(
          answer.energies,
          plain.energies,
          'the energies of a request without gradients, bit for bit',
        );
        assert.deepEqual(answer.ranking, plain.ranking);
        assert.deepEqual(answer.actionGradients!.shape.map(Number), [rows, steps, dims]);
        const found = floats(answer.actionGradients!.data).subarray(i * size, (i + 1) * size);
        for (const [k, value] of found.entries()) {
          const expected = wanted[i * size + k]!;
          assert.ok(
            Math.abs(value - expected) <= TOLERANCE * largest,
            `${i}, ${k}: ${value}, PyTorch ${expected}`,
          );
        }
      }
    });
  }

  test('a pool of the request is differentiated; a bad one is refused as ever', async () => {
    const name = GOLDEN_CASES[0];
    const inputs = goldenTensors(name, 'inputs');
    const ask = (pool: PoolMessage): Promise<ScoreActionsResponse__Output> =>
      call(client, contract.energy.ScoreActions, {
        model: name,
        inline: goldenContext(inputs, 0),
        candidates: tensorMessage(inputs.get('actions')!),
        options: { pool, actionGradients: true },
      });
    const first = await ask({ first: {} });
    const dims = inputs.get('actions')!.shape[2]!;
    const slope = floats(first.actionGradients!.data);
    // attention keeps steps apart: of the first step's energy only the first step has a gradient
    assert.ok(slope.subarray(0, dims).some((value) => value !== 0));
    assert.ok(slope.subarray(dims, 8 * dims).every((value) => value === 0));
    const error = await failure(ask({ windowedMax: { window: 99 } }));
    assert.equal(badField(error), 'options.pool.windowed_max.window');
  });
});

describe('every score and pool against finite differences', () => {
  const STEP = 1e-2;
  const N = 3;
  const H = 5;
  const POOLS: readonly Pool[] = [
    { kind: 'mean' },
    { kind: 'weighted', weights: [0.5, -0.25, 0, 2, 1] },
    { kind: 'windowed_max', window: 2 },
  ];
  const CARDS = {
    cross: smallCard({ action_norm: 'none', activation: 'silu' }),
    normed: smallCard({ activation: 'silu' }),
    global: smallCard({ architecture: 'global_context', activation: 'silu', chunk: H }),
  };

  for (const [name, card] of Object.entries(CARDS)) {
    test(name, async () => {
      const engine: Engine = await startEngine(
        { card, weights: randomWeights(card) },
        { provider: 'cpu', threads: 1 },
      );
      try {
        const size = H * card.action_dim;
        const tokens = card.architecture === 'global_context' ? 1 : 4;
        const item = chunks(card, [0], N, H);
        const energies = async (actions: Float32Array, pool: Pool, score: Score): Promise<Float64Array> => {
          const [raw] = await scoreAll(engine, [context(card, 0, tokens)], [{ ...item, actions }]);
          return energiesFromRaw(raw!, H, { readout: card.readout, pool, score }).energies;
        };
        for (const pool of POOLS) {
          for (const score of ['readout', 'logit'] as const) {
            const slope: Slope = {
              score,
              pool:
                pool.kind === 'windowed_max'
                  ? { window: pool.window }
                  : Float32Array.from(poolWeights(pool, H)),
            };
            const [both] = await scoreAll(engine, [context(card, 0, tokens)], [{ ...item, slope }]);
            const [alone] = await scoreAll(
              engine,
              [context(card, 0, tokens)],
              [{ ...item, actions: item.actions.slice(0, size), candidates: 1, slope }],
            );
            assert.deepEqual(alone, both!.slice(0, H + size), 'the gradient of a chunk is its own');
            const found = Array.from({ length: N }, (_, n) => [
              ...both!.subarray(n * (H + size) + H, (n + 1) * (H + size)),
            ]).flat();
            const largest = found.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
            assert.ok(largest > 0);
            for (let k = 0; k < found.length; k += 4) {
              const moved = (by: number): Promise<Float64Array> => {
                const actions = item.actions.slice();
                actions[k]! += by;
                return energies(actions, pool, score);
              };
              const n = Math.floor(k / size);
              const difference = ((await moved(STEP))[n]! - (await moved(-STEP))[n]!) / (2 * STEP);
              const what = `${pool.kind} ${score}: dE/dA[${k}] ${found[k]}, difference ${difference}`;
              assert.ok(Math.abs(found[k]! - difference) <= 0.01 * largest, what);
            }
          }
        }
      } finally {
        await engine.close();
      }
    });
  }
});
