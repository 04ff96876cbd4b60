/** A batch in parts gives the loss and the gradients of the whole batch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LossTerm } from '../../../src/energy/loss-terms.js';
import { tokenBatch } from '../../../src/energy/token-batch.js';
import { Runtime } from '../../../src/engine/runtime.js';
import type { ModelCard } from '../../../src/model/card.js';
import { seededRandom } from '../../../src/random.js';
import { toFloat32 } from '../../../src/tensor/tensor.js';
import { globalNorm } from '../../../src/training/adamw.js';
import { pairWeights, targetWeights } from '../../../src/training/batches.js';
import { contextBytes, partsOf } from '../../../src/training/parts.js';
import { TrainingStep, type StepResult, type TrainingBatch } from '../../../src/training/step.js';
import { randomWeights, smallCard } from '../../support/bundles.js';
import { context, randomValues } from '../../support/engine.js';

/** 6 contexts in 4 parts: of 1, 2, 1 and 2. */
const [B, H, N] = [6, 4, 3];
/** Of the gradient's norm: sums in float32 in another order, some of which cancel. */
const TOLERANCE = 1e-5;
const SWAP: LossTerm = { kind: 'swap', tau: 0.7 };

const CARDS: Record<string, ModelCard> = {
  cross_attention: smallCard(),
  global_context: smallCard({ architecture: 'global_context', chunk: H }),
};

const LOSSES: Record<string, readonly LossTerm[]> = {
  swap: [SWAP],
  'swap and explicit': [SWAP, { kind: 'explicit', tau: 0.7, negatives: N }],
  explicit: [{ kind: 'explicit', tau: 0.7, negatives: N }],
  hinge: [{ kind: 'hinge', negatives: N }],
  margin: [{ kind: 'margin' }],
  alignment: [{ kind: 'alignment', noises: N }],
  'rank and listwise': [
    { kind: 'rank', tau: 0.7, candidates: N },
    { kind: 'listwise', tau: 0.7, candidates: N },
  ],
};

function batchOf(card: ModelCard): TrainingBatch {
  const cross = card.architecture === 'cross_attention';
  const contexts = Array.from({ length: B }, (_, i) => context(card, i, cross ? 3 + i : 1));
  const size = N * H * card.action_dim;
  const costs = Array.from({ length: B }, (_, i) => Float64Array.of(0, i % 3, 1));
  const others = new Map([
    ['negatives', randomValues(B * size, 4)],
    ['noise', randomValues(B * size, 5)],
    ['candidates', randomValues(B * size, 6)],
    ['pair_weights', pairWeights(costs)],
    ['target_weights', targetWeights(costs)],
    ['outcome_signs', Float32Array.from(costs, (_, i) => (i % 2 === 0 ? 1 : -1))],
  ]);
  return {
    rows: Int32Array.from({ length: B }, (_, i) => i),
    tokens: tokenBatch(contexts, card.state_dim),
    actions: randomValues(B * H * card.action_dim, 3),
    others,
  };
}

/** One step whole, or with room for 2 contexts in a part. */
async function step(
  runtime: Runtime,
  card: ModelCard,
  losses: readonly LossTerm[],
  batch: TrainingBatch,
  inParts: boolean,
): Promise<StepResult> {
  const weights = randomWeights(card, 7);
  const parameters = new Map([...weights].map(([name, tensor]) => [name, toFloat32(name, tensor)]));
  const shapes = new Map([...weights].map(([name, { shape }]) => [name, shape]));
  const { tokens } = batch.tokens;
  const partBytes = inParts ? 2 * contextBytes(card, losses, { pairs: B, steps: H, tokens }) : Infinity;
  const shape = { pairs: B, steps: H, dropout: 0.2, partBytes };
  const terms = losses.map((term, i) => ({ term, weight: 1 / (1 + i) }));
  return new TrainingStep(runtime, card, terms, shape, parameters, shapes).run(batch, seededRandom(1));
}

function withRuntime(use: (runtime: Runtime) => Promise<void>): () => Promise<void> {
  return async () => {
    const runtime = new Runtime({ provider: 'cpu', threads: 1, deviceId: 0 });
    try {
      await use(runtime);
    } finally {
      await runtime.release();
    }
  };
}

for (const [architecture, card] of Object.entries(CARDS)) {
  for (const [name, losses] of Object.entries(LOSSES)) {
    test(
      `${architecture}, ${name}: loss, energies, accuracy and gradients of a batch in parts`,
      withRuntime(async (runtime) => {
        const batch = batchOf(card);
        const whole = await step(runtime, card, losses, batch, false);
        const parts = await step(runtime, card, losses, batch, true);
        for (const figure of ['loss', 'positiveEnergy', 'negativeEnergy'] as const) {
          const [found, wanted] = [parts[figure], whole[figure]];
          assert.ok(
            Object.is(found, wanted) || Math.abs(found - wanted) < 2e-6,
            `${figure}: ${found}, ${wanted}`,
          );
        }
        assert.equal(parts.accuracy, whole.accuracy);
        const norm = globalNorm(whole.gradients);
        assert.ok(norm > 1e-3, `a gradient to compare: ${norm}`);
        for (const [parameter, wanted] of whole.gradients) {
          const found = parts.gradients.get(parameter)!;
          const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
          assert.ok(worst <= TOLERANCE * norm, `${parameter}: ${worst} of a norm of ${norm}`);
        }
      }),
    );
  }
}

test('a batch is cut where it is too large, into even parts that hold every context once', () => {
  for (const pairs of [1, 2, 6, 7, 31, 32]) {
    for (const room of [1, 2, 3, 8, 100]) {
      const parts = partsOf([SWAP], pairs, 1, room);
      let next = 0;
      for (const { first, contexts } of parts) {
        assert.equal(first, next);
        assert.ok(contexts >= 1 && contexts <= room, `${contexts} of ${pairs} in a part of ${room}`);
        next = first + contexts;
      }
      assert.equal(next, pairs);
      const sizes = new Set(parts.map(({ contexts }) => contexts));
      assert.ok(sizes.size <= 2, `a program for each of ${sizes.size} sizes`);
    }
  }
});

test('a loss that looks at the whole batch keeps it whole', () => {
  assert.deepEqual(partsOf([SWAP, { kind: 'outcome', tau: 1 }], 8, 1, 2), [{ first: 0, contexts: 8 }]);
});

test(
  'a value that is not finite in the last part is named, as in a whole batch',
  withRuntime(async (runtime) => {
    const card = CARDS['cross_attention']!;
    const batch = batchOf(card);
    batch.others.get('negatives')!.fill(NaN, -1);
    await assert.rejects(step(runtime, card, LOSSES['explicit']!, batch, true), /negatives: not finite/);
  }),
);
