/** One model in service: its bundle, the engine that computes it, the scheduler before that, and the kept contexts. */
import {
  DEFAULT_BACKGROUND_BOUNDS,
  DEFAULT_BACKGROUND_GRACE_MS,
  DEFAULT_BACKGROUND_QUEUE_BOUNDS,
  DEFAULT_QUEUE_BOUNDS,
} from '../batching/defaults.js';
import type { Logger } from 'pino';
import { systemClock } from '../batching/clock.js';
import { Scheduler } from '../batching/scheduler.js';
import { Pace } from '../batching/size.js';
import type { Config } from '../config/schema.js';
import { ContextCache, randomContextId } from '../batching/context-cache.js';
import type { Engine } from '../engine/engine.js';
import type { Fault } from '../errors.js';
import type { Metrics, ModelSample } from '../metrics/metrics.js';
import { loadBundle, type ModelBundle } from '../model/bundle.js';
import type { ModelCard } from '../model/card.js';
import { seededRandom } from '../random.js';
import { InputDrift } from '../quality/input-drift.js';
import { LiveQuality } from '../quality/live-quality.js';
import { Decisions } from './decisions.js';
import { ModelCalibration } from '../calibration/apply.js';

/** Starts a warm engine for a bundle. */
export type EngineStarter = (bundle: ModelBundle) => Promise<Engine>;

export interface ModelVersion {
  readonly name: string;
  /** Hex sha256 of the bundle's weights file. */
  readonly digest: string;
}

/** Weight that the past keeps in the pace of requests: about the last twenty batches count. */
const KEEP = 0.95;

export interface ServedModel {
  readonly name: string;
  readonly directory: string;
  readonly card: ModelCard;
  readonly version: ModelVersion;
  readonly calibration: ModelCalibration;
  /** Absent when no request is sampled. */
  readonly quality: LiveQuality | undefined;
  /** The same. */
  readonly inputs: InputDrift | undefined;
  readonly decisions: Decisions;
  readonly engine: Engine;
  readonly scheduler: Scheduler;
  /** Engine time of a request, whatever it asks for. */
  readonly pace: Pace;
  readonly cache: ContextCache;
  /** What may wait and be kept at most. */
  readonly capacity: ModelSample['capacity'];
}

export interface ModelParts {
  readonly startEngine: EngineStarter;
  readonly batching: Config['batching'];
  readonly contexts: Config['contexts'];
  readonly quality: Config['quality'];
  readonly selection: Config['selection'];
  readonly metrics: Metrics;
  readonly log: Logger;
}

/**
 * Loads a bundle, warms its engine up and puts a scheduler before it. Errors: what the bundle or the engine refuses; the
 * reason of `signal`, which gives the reading up.
 */
export async function startModel(
  name: string,
  directory: string,
  parts: ModelParts,
  signal?: AbortSignal,
): Promise<ServedModel> {
  const { batching, contexts, metrics } = parts;
  const bundle = await loadBundle(directory, signal);
  const calibration = await ModelCalibration.load(directory, bundle.digest);
  const { state } = calibration;
  if (state.state === 'REFUSED') {
    parts.log.error(
      { model: name, err: state.fault },
      'the calibration cannot be used; scores are not calibrated',
    );
  }
  signal?.throwIfAborted();
  const engine = await parts.startEngine(bundle);
  const cache = new ContextCache({
    maxBytes: contexts.bytes,
    maxLeaseMs: contexts.maxLeaseMs,
    newId: randomContextId,
  });
  const pace = new Pace(KEEP);
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
    bounds: batching,
    backgroundQueue: DEFAULT_BACKGROUND_QUEUE_BOUNDS,
    backgroundBounds: DEFAULT_BACKGROUND_BOUNDS,
    backgroundGraceMs: DEFAULT_BACKGROUND_GRACE_MS,
    observer: {
      onBatch({ tokens, steps, works, wallMs, background }) {
        metrics.engineBusySeconds.inc({ model: name }, wallMs / 1000);
        if (background) return; // no requests
        pace.record(wallMs, works);
        metrics.batchTokens.observe({ model: name }, tokens);
        metrics.batchSteps.observe({ model: name }, steps);
        metrics.batchWorks.observe({ model: name }, works);
      },
      onReject(reason, priority) {
        if (priority === 'normal') metrics.rejections.inc({ model: name, reason });
      },
      onDequeue(slackMs) {
        if (slackMs !== Infinity) metrics.deadlineSlackSeconds.observe({ model: name }, slackMs / 1000);
      },
    },
  });
  const version = { name, digest: bundle.digest };
  const failures = new SampleFailures(name, parts.log);
  const quality =
    parts.quality.share > 0
      ? new LiveQuality({
          card: bundle.card,
          scheduler,
          clock: systemClock,
          random: seededRandom(Date.now(), name),
          settings: parts.quality,
          calibration: () => calibration.current,
          onSample: (outcome, cause) => {
            metrics.qualitySamples.inc({ model: name, outcome, cause: cause?.kind ?? '' });
            if (outcome === 'failed') failures.say(cause);
          },
        })
      : undefined;
  const inputs =
    parts.quality.share > 0
      ? new InputDrift({
          card: bundle.card,
          share: parts.quality.share,
          clock: systemClock,
          random: seededRandom(Date.now(), `${name} inputs`),
          calibration: () => calibration.current,
        })
      : undefined;
  const decisions = new Decisions(systemClock, parts.selection.controlShare);
  return {
    name,
    directory,
    card: bundle.card,
    version,
    calibration,
    quality,
    inputs,
    decisions,
    engine,
    scheduler,
    pace,
    cache,
    capacity: {
      queueItems: batching.queueItems,
      queueBytes: batching.queueBytes,
      contextBytes: contexts.bytes,
    },
  };
}

/** Of live quality samples: one line a minute, since they fail together. */
const SAY_MS = 60_000;

class SampleFailures {
  readonly #model: string;
  readonly #log: Logger;
  #saidMs = -Infinity;
  #unsaid = 0;

  constructor(model: string, log: Logger) {
    this.#model = model;
    this.#log = log;
  }

  say(cause: Fault | undefined): void {
    this.#unsaid++;
    const nowMs = systemClock.nowMs();
    if (nowMs < this.#saidMs + SAY_MS) return;
    this.#log.warn(
      { model: this.#model, failed: this.#unsaid, err: cause },
      'samples of live quality failed',
    );
    this.#saidMs = nowMs;
    this.#unsaid = 0;
  }
}

/** Lets accepted work finish within `boundMs`, rejects the rest as `unavailable`, and stops the engine. */
export async function stopModel(
  { scheduler, engine, decisions }: ServedModel,
  boundMs: number,
): Promise<void> {
  let cancel = (): void => undefined;
  const bound = new Promise<void>((resolve) => {
    cancel = systemClock.setTimer(boundMs, resolve);
  });
  await Promise.race([scheduler.drain(), bound]);
  cancel();
  scheduler.close();
  decisions.close();
  await engine.close();
}

export function sampleOf({
  name,
  scheduler,
  cache,
  quality,
  inputs,
  calibration,
  decisions,
  capacity,
}: ServedModel): ModelSample {
  const { created } = calibration.current ?? {};
  return {
    model: name,
    queueDepth: scheduler.queueDepth,
    queueBytes: scheduler.queueBytes,
    cache: cache.stats,
    capacity,
    quality: quality?.figures() ?? [],
    inputs: inputs?.figures() ?? [],
    calibration: {
      state: calibration.state.state,
      version: calibration.version,
      verdict: calibration.current?.verdict ?? '',
    },
    ...(created !== undefined && { calibrationAgeSeconds: (Date.now() - Date.parse(created)) / 1000 }),
    ...(decisions.monitor && { gate: decisions.monitor }),
  };
}
