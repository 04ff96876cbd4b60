/** One model in service: its bundle, the engine that computes it, the scheduler before that, and the kept contexts. */
import {
  DEFAULT_BACKGROUND_BUDGET,
  DEFAULT_BACKGROUND_QUEUE_BOUNDS,
  DEFAULT_QUEUE_BOUNDS,
} from '../batching/defaults.js';
import { systemClock } from '../batching/clock.js';
import { Scheduler } from '../batching/scheduler.js';
import type { Config } from '../config/schema.js';
import { ContextCache } from '../contexts/cache.js';
import { randomContextId } from '../contexts/id.js';
import type { Engine } from '../engine/engine.js';
import type { ModelVersion } from '../generated/action_energy/v1/ModelVersion.js';
import type { Metrics, ModelSample } from '../metrics/metrics.js';
import { loadBundle, type ModelBundle } from '../model/bundle.js';
import type { ModelCard } from '../model/card.js';

/** Starts a warm engine for a bundle. */
export type EngineStarter = (bundle: ModelBundle) => Promise<Engine>;

export interface ServedModel {
  readonly name: string;
  readonly card: ModelCard;
  readonly version: ModelVersion;
  readonly engine: Engine;
  readonly scheduler: Scheduler;
  readonly cache: ContextCache;
}

export interface ModelParts {
  readonly startEngine: EngineStarter;
  readonly batching: Config['batching'];
  readonly contexts: Config['contexts'];
  readonly metrics: Metrics;
}

/** Loads a bundle, warms its engine up and puts a scheduler before it. Errors: what the bundle or the engine refuses. */
export async function startModel(name: string, directory: string, parts: ModelParts): Promise<ServedModel> {
  const { batching, contexts, metrics } = parts;
  const bundle = await loadBundle(directory);
  const engine = await parts.startEngine(bundle);
  const cache = new ContextCache({
    maxBytes: contexts.bytes,
    maxLeaseMs: contexts.maxLeaseMs,
    newId: randomContextId,
  });
  const scheduler = new Scheduler({
    engine,
    cache,
    clock: systemClock,
    queue: {
      maxItems: batching.queueItems,
      maxBytes: batching.queueBytes,
      clientShare: batching.clientShare,
      quantum: DEFAULT_QUEUE_BOUNDS.quantum,
      patienceMs: batching.patienceMs,
    },
    budget: { tokens: batching.tokens, steps: batching.steps, contexts: batching.contexts },
    backgroundQueue: DEFAULT_BACKGROUND_QUEUE_BOUNDS,
    backgroundBudget: DEFAULT_BACKGROUND_BUDGET,
    observer: {
      onBatch({ tokens, steps, works, wallMs }) {
        metrics.batchTokens.observe({ model: name }, tokens);
        metrics.batchSteps.observe({ model: name }, steps);
        metrics.batchWorks.observe({ model: name }, works);
        metrics.engineBusySeconds.inc({ model: name }, wallMs / 1000);
      },
      onReject: (reason) => metrics.rejections.inc({ model: name, reason }),
      onDequeue(slackMs) {
        if (slackMs !== Infinity) metrics.deadlineSlackSeconds.observe({ model: name }, slackMs / 1000);
      },
    },
  });
  const version = { name, digest: bundle.digest, calibrationVersion: '' };
  return { name, card: bundle.card, version, engine, scheduler, cache };
}

/** Lets accepted work finish within `boundMs`, rejects the rest as `unavailable`, and stops the engine. */
export async function stopModel({ scheduler, engine }: ServedModel, boundMs: number): Promise<void> {
  let cancel = (): void => undefined;
  const bound = new Promise<void>((resolve) => {
    cancel = systemClock.setTimer(boundMs, resolve);
  });
  await Promise.race([scheduler.drain(), bound]);
  cancel();
  scheduler.close();
  await engine.close();
}

export function sampleOf({ name, scheduler, cache }: ServedModel): ModelSample {
  return {
    model: name,
    queueDepth: scheduler.queueDepth,
    queueBytes: scheduler.queueBytes,
    cache: cache.stats,
  };
}
