/** Contexts, candidates and models for tests of the real engine. */
import { BatchRunner } from '../../src/engine/batch.js';
import type { Engine, EncodeItem, ScoreItem, TokenDType } from '../../src/engine/engine.js';
import { KeptQueries } from '../../src/engine/kept-queries.js';
import { Scratch } from '../../src/engine/memory.js';
import { Runtime } from '../../src/engine/runtime.js';
import { createSessions, SlopePrograms, type Sessions } from '../../src/engine/sessions.js';
import { energyGraphs } from '../../src/energy/graphs.js';
import type { ModelCard } from '../../src/model/card.js';
import type { Weights } from '../../src/model/weights.js';
import { fromFloat32 } from '../../src/tensor/tensor.js';
import { uniform } from './bundles.js';
import { valueOf } from './outcomes.js';

/** `count` values in [-1, 1), the same for the same seed. */
export function randomValues(count: number, seed: number): Float32Array {
  const random = uniform(seed);
  return Float32Array.from({ length: count }, () => 2 * random() - 1);
}

/** A context of `tokens` random tokens, all visible unless `changes` says otherwise. */
export function context(
  card: ModelCard,
  slot: number,
  tokens: number,
  changes: Partial<EncodeItem> & { seed?: number } = {},
): EncodeItem {
  const { seed = slot + 1, ...fields } = changes;
  const dtype: TokenDType = fields.dtype ?? 'float32';
  const shape = [tokens, card.state_dim];
  const { bytes } = fromFloat32(dtype, shape, randomValues(tokens * card.state_dim, seed));
  return { slot, dtype, bytes, visible: [[0, tokens]], move: false, ...fields };
}

/** N random chunks of H steps against the contexts in `slots`. */
export function chunks(
  card: ModelCard,
  slots: readonly number[],
  candidates: number,
  steps: number,
  seed = 100,
): ScoreItem {
  return { slots, actions: randomValues(candidates * steps * card.action_dim, seed), candidates, steps };
}

/** Raw values of each item, all encoded and scored in one batch and released. */
export async function scoreAll(
  engine: Pick<Engine, 'run'>,
  encode: readonly EncodeItem[],
  score: readonly ScoreItem[],
): Promise<Float32Array[]> {
  const { scored } = await engine.run({ encode, score, release: encode.map(({ slot }) => slot) });
  return scored.map(valueOf);
}

/** What the worker runs, in this thread and without warm-up; released after `use`. */
export async function withRunner<T>(
  model: { readonly card: ModelCard; readonly weights: Weights },
  use: (runner: BatchRunner, sessions: Sessions) => Promise<T>,
): Promise<T> {
  const graphs = energyGraphs(model.card, model.weights);
  const precision = 'float32';
  const runtime = new Runtime({ provider: 'cpu', threads: 1, deviceId: 0 });
  try {
    const sessions = await createSessions(runtime, graphs, precision);
    const runner = new BatchRunner({
      ...{ card: model.card, graphs, sessions, precision, scratch: new Scratch() },
      queries: new KeptQueries(graphs.queryWidth),
      slopes: new SlopePrograms(runtime, graphs),
    });
    return await use(runner, sessions);
  } finally {
    await runtime.release();
  }
}
