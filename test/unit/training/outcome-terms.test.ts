/** The outcome losses as graphs against the same equations over numbers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchEnergies } from '../../../src/energy/batch-energies.js';
import { lossOf, type LossTerm } from '../../../src/energy/loss-terms.js';
import { tokenBatch } from '../../../src/energy/token-batch.js';
import { float32, Runtime } from '../../../src/engine/runtime.js';
import { Graph } from '../../../src/graph/graph.js';
import { toFloat32 } from '../../../src/tensor/tensor.js';
import { pairWeights, targetWeights } from '../../../src/training/batches.js';
import { contextFeeds } from '../../../src/offline/gradients.js';
import { spearman } from '../../../src/training/validation.js';
import { randomWeights, smallCard } from '../../support/bundles.js';
import { context, randomValues } from '../../support/engine.js';

const card = smallCard({ readout: { kind: 'linear' } });
const weights = randomWeights(card, 7);
const [B, N, H] = [3, 4, 5];
const TAU = 0.7;
const costs = [
  [0, 1, 1, 0],
  [2, 2, 2, 2],
  [3, 0, 1, 2],
].map((row) => Float64Array.from(row));

async function run(term: LossTerm, others: Record<string, Float32Array>): Promise<Map<string, Float32Array>> {
  const runtime = new Runtime({ provider: 'cpu', threads: 1, deviceId: 0 });
  try {
    const g = new Graph('loss');
    const batch = new BatchEnergies(g, card, { pairs: B, steps: H });
    g.output('loss', lossOf(batch, term).loss);
    if (term.kind === 'outcome') g.output('own', batch.own());
    else
      g.output(
        'energies',
        batch.against(
          'again',
          g.inputs.find(({ name }) => name === 'candidates')!,
        ),
      );
    const feeds = contextFeeds(
      tokenBatch(
        Array.from({ length: B }, (_, i) => context(card, i, 4 + i)),
        card.state_dim,
      ),
      card,
      B,
    );
    const values: Record<string, Float32Array> = {
      actions: randomValues(B * H * card.action_dim, 3),
      candidates: randomValues(B * N * H * card.action_dim, 4),
      ...others,
    };
    for (const { name, shape } of g.inputs) {
      if (feeds[name] !== undefined) continue;
      const tensor = weights.get(name);
      feeds[name] = float32(tensor ? toFloat32(name, tensor) : values[name]!, shape as number[]);
    }
    const results = await (await runtime.prepare(g)).run(feeds);
    return new Map(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
  } finally {
    await runtime.release();
  }
}

const softplus = (x: number): number => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0);

test('rank: pairs of one context that differ in cost, every decisive context the same', async () => {
  const found = await run({ kind: 'rank', tau: TAU, candidates: N }, { pair_weights: pairWeights(costs) });
  const energies = found.get('energies')!;
  let wanted = 0;
  for (const b of [0, 2]) {
    const own = energies.subarray(b * N, (b + 1) * N);
    let sum = 0;
    let pairs = 0;
    for (let i = 0; i < N; i++) {
      for (let j = 0; j < N; j++) {
        if (!(costs[b]![i]! < costs[b]![j]!)) continue;
        sum += softplus((own[i]! - own[j]!) / TAU);
        pairs++;
      }
    }
    wanted += sum / pairs / 2;
  }
  assert.ok(Math.abs(found.get('loss')![0]! - wanted) < 1e-5, `${found.get('loss')![0]} against ${wanted}`);
});

test('listwise: the cheapest of each decisive context', async () => {
  const found = await run(
    { kind: 'listwise', tau: TAU, candidates: N },
    { target_weights: targetWeights(costs) },
  );
  const energies = found.get('energies')!;
  const loss = (b: number, best: readonly number[]): number => {
    const own = [...energies.subarray(b * N, (b + 1) * N)].map((e) => -e / TAU);
    const all = Math.log(own.reduce((sum, logit) => sum + Math.exp(logit), 0));
    return -best.reduce((sum, i) => sum + own[i]! - all, 0) / best.length;
  };
  const wanted = (loss(0, [0, 3]) + loss(2, [1])) / 2;
  assert.ok(Math.abs(found.get('loss')![0]! - wanted) < 1e-5, `${found.get('loss')![0]} against ${wanted}`);
});

test('outcome: success wants an energy below the mean of the batch', async () => {
  const signs = [1, -1, 1];
  const found = await run({ kind: 'outcome', tau: TAU }, { outcome_signs: Float32Array.from(signs) });
  const own = [...found.get('own')!];
  const mean = own.reduce((sum, e) => sum + e, 0) / B;
  const wanted = own.reduce((sum, e, i) => sum + softplus((signs[i]! * (e - mean)) / TAU), 0) / B;
  assert.ok(Math.abs(found.get('loss')![0]! - wanted) < 1e-5);
});

test('contexts whose candidates cost the same teach nothing', () => {
  const even = [Float64Array.from([1, 1]), Float64Array.from([0, 0])];
  assert.deepEqual([...pairWeights(even)], new Array(8).fill(0));
  assert.deepEqual([...targetWeights(even)], new Array(4).fill(0));
  const sum = pairWeights(costs).reduce((all, weight) => all + weight, 0);
  assert.ok(Math.abs(sum - 1) < 1e-6);
});

test('rank correlation shares the ranks of equal values', () => {
  assert.equal(spearman([1, 2, 3], [10, 20, 30]), 1);
  assert.equal(spearman([1, 2, 3], [3, 2, 1]), -1);
  assert.equal(spearman([1, 1, 1], [3, 2, 1]), 0);
  assert.ok(Math.abs(spearman([1, 2, 2, 3], [1, 2, 3, 4]) - 0.9486832980505138) < 1e-12);
});
