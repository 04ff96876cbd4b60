/**
 * From a call's headers to its model's queue: can it be answered in time, is there room, the work itself, and the time that
 * each stage took.
 */
import { systemClock } from '../batching/clock.js';
import type { Scheduler } from '../batching/scheduler.js';
import { Pace } from '../batching/size.js';
import type { Work, WorkResult } from '../batching/work.js';
import type { Config } from '../config/schema.js';
import { Fault } from '../errors.js';
import type { STAGES } from '../metrics/catalogue/calls.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Recorder } from '../recording/recorder.js';
import type { ModelRegistry } from './model-registry.js';
import type { Scope } from './scope.js';
import type { ServedModel } from './served-model.js';

type Stage = (typeof STAGES)[number];

/** Weight that the past keeps with each new record: about the last twenty count. */
const KEEP = 0.95;
/** A request that has not arrived after this long is on a slow link: the engine will not wait for it, nor do others. */
const PLEDGE_MS = 250;

/** Most by which estimates are stretched: beyond it a server that was stalled once would refuse for long. */
const MOST_STRETCH = 4;

export interface Expectation {
  /** Until the answer; 0 where an engine is idle: it takes whatever comes, and so finds out how long that takes. */
  readonly answerMs: number;
  /** The same as estimated, before it is stretched by what earlier estimates missed. */
  readonly estimateMs: number;
}

export interface Pledge {
  /** It has reached its queue. */
  arrived(nowMs: number): void;
  /** It was answered, or its deadline has passed: what had been expected is compared with how long it took. */
  settled(nowMs: number): void;
  /** Nothing will come of it. Idempotent, also after `arrived`. */
  end(): void;
}

/** What is known of a model's engine. */
export interface Paced {
  readonly scheduler: Pick<Scheduler, 'drainEstimateMs'>;
  /** Engine time of a request. */
  readonly pace: Pace;
}

/**
 * How long a request that comes now will take, told on its headers: what cannot be answered within its deadline is refused
 * then, and its message is never received. Under overload the queue so stays as short as the deadlines are, and what is
 * accepted is answered in time; without this, earliest deadline first would begin everything a moment too late.
 *
 * A request is pledged from its headers until it reaches its queue, where the scheduler's own estimate takes over. Estimates
 * leave out what nobody measures (decoding, the event loop's lag, a busy machine), so they are stretched by the ratio of
 * what answers took to what was expected, plus twice its mean deviation: near a deadline half of the answers would be late
 * otherwise, and with one deviation a quarter (`npm run bench:overload`), each with engine time that was for nothing.
 */
export class ExpectedWait {
  /** When each was pledged, oldest first. */
  readonly #pledged = new Map<Pledge, number>();
  /** From headers to queue. */
  readonly #arrival = new Pace(KEEP);

  /** Time that answers took, in that expected; and how far from it. */
  readonly #taken = new Pace(KEEP);
  readonly #deviation = new Pace(KEEP);

  pledge(nowMs: number, { estimateMs }: Expectation): Pledge {
    /** Of those on slow links nothing is learnt: they say nothing of the server. */
    let counts = false;
    const pledge: Pledge = {
      arrived: (arrivedMs) => {
        if (!this.#pledged.delete(pledge)) return;
        counts = true;
        this.#arrival.record(arrivedMs - nowMs, 1);
      },
      settled: (settledMs) => {
        if (counts || this.#pledged.has(pledge)) this.#record(settledMs - nowMs, estimateMs);
        pledge.end();
      },
      end: () => {
        counts = false;
        this.#pledged.delete(pledge);
      },
    };
    this.#pledged.set(pledge, nowMs);
    return pledge;
  }

  /** Of a request that comes now, on whichever of the models is soonest. */
  expect(nowMs: number, models: readonly Paced[]): Expectation {
    for (const [pledge, pledgedMs] of this.#pledged) {
      if (nowMs - pledgedMs <= PLEDGE_MS) break;
      this.#pledged.delete(pledge);
    }
    let estimateMs = Infinity;
    let idle = models.length === 0;
    for (const { scheduler, pace } of models) {
      const before = scheduler.drainEstimateMs + this.#pledged.size * pace.msPerUnit;
      idle ||= before === 0;
      estimateMs = Math.min(estimateMs, Math.max(before, this.#arrival.msPerUnit) + pace.msPerUnit);
    }
    if (models.length === 0) estimateMs = 0;
    return { answerMs: idle ? 0 : estimateMs * this.#stretch, estimateMs };
  }

  get #stretch(): number {
    return Math.min(MOST_STRETCH, Math.max(1, this.#taken.msPerUnit + 2 * this.#deviation.msPerUnit));
  }

  #record(tookMs: number, estimateMs: number): void {
    this.#taken.record(tookMs, estimateMs);
    this.#deviation.record(Math.abs(tookMs - this.#taken.msPerUnit * estimateMs), estimateMs);
  }
}

export interface ServingParts {
  readonly models: ModelRegistry;
  readonly metrics: Metrics;
  readonly limits: Config['limits'];
  readonly contexts: Config['contexts'];
  /** Absent: nothing is recorded. */
  readonly recorder?: Recorder;
}

/** Where a request's time went, milliseconds. */
export interface Timings {
  readonly queueMs: number;
  readonly encodeMs: number;
  readonly scoreMs: number;
  /** From the decoded request to the answer. */
  readonly totalMs: number;
}

/** The model of a request, noted in its scope. Errors: `not_found`, `precondition`. */
export function modelOf({ models }: Pick<ServingParts, 'models'>, scope: Scope, name: string): ServedModel {
  const model = models.get(name);
  scope.model = model.name;
  scope.trace?.note('action_energy.model', model.name);
  return model;
}

/** The same for a request that becomes work: one that finds no room is refused before it is decoded. Errors: `exhausted`. */
export function modelWithRoom(
  parts: Pick<ServingParts, 'models' | 'metrics'>,
  scope: Scope,
  name: string,
): ServedModel {
  const model = modelOf(parts, scope, name);
  const refusal = model.scheduler.refusal(scope.caller.client);
  if (refusal === undefined) return model;
  parts.metrics.rejections.inc({ model: model.name, reason: refusal.reason });
  throw refusal.fault;
}

/**
 * Submits work in the name of the caller and measures its stages. `decodeMs`: what parsing the message took, before the
 * scope began. Errors: what the scheduler ends a work with.
 */
export async function submitWork(
  { metrics }: Pick<ServingParts, 'metrics'>,
  scope: Scope,
  model: ServedModel,
  work: Pick<Work, 'contexts' | 'task' | 'hold' | 'pin'>,
  decodeMs: number,
): Promise<WorkResult> {
  const receivedMs = scope.startMs - decodeMs;
  scope.trace?.received(receivedMs);
  const decodedMs = observeStage(
    metrics,
    scope,
    model,
    'decode',
    receivedMs,
    systemClock.nowMs() - receivedMs,
  );
  scope.caller.arrived?.();
  return runWork(metrics, scope, model, work, decodedMs);
}

/** The same for more work of a request whose first work has come back. */
export function submitMore(
  { metrics }: Pick<ServingParts, 'metrics'>,
  scope: Scope,
  model: ServedModel,
  work: Pick<Work, 'contexts' | 'task'>,
): Promise<WorkResult> {
  return runWork(metrics, scope, model, work, systemClock.nowMs());
}

async function runWork(
  metrics: Metrics,
  scope: Scope,
  model: ServedModel,
  work: Pick<Work, 'contexts' | 'task' | 'hold' | 'pin'>,
  submittedMs: number,
): Promise<WorkResult> {
  const { client, owner } = scope.caller;
  const { deadlineMs, signal } = scope;
  const result = await model.scheduler.submit({
    client,
    ...(owner === undefined ? {} : { owner }),
    deadlineMs,
    signal,
    priority: 'normal',
    ...work,
  });
  scope.resultMs = systemClock.nowMs();
  const { queueMs, encodeMs, scoreMs } = result.timings;
  // a work that was cut into pieces waited between them; its stages stand one after the other all the same
  const takenMs = observeStage(metrics, scope, model, 'queue', submittedMs, queueMs);
  const encodedMs = observeStage(metrics, scope, model, 'encode', takenMs, encodeMs);
  observeStage(metrics, scope, model, 'score', encodedMs, scoreMs);
  scope.trace?.note('action_energy.batch.requests', result.batch.works);
  return result;
}

/** Returns when it ended. */
function observeStage(
  metrics: Metrics,
  { trace }: Scope,
  { name: model }: ServedModel,
  stage: Stage,
  fromMs: number,
  ms: number,
): number {
  metrics.stageSeconds.observe({ model, stage }, ms / 1000);
  trace?.stage(stage, fromMs, ms);
  return fromMs + ms;
}

/** After the answer has been handed over. */
export function measureRespond(
  { metrics }: Pick<ServingParts, 'metrics'>,
  { model, resultMs, trace }: Scope,
): void {
  if (model === undefined || resultMs === undefined) return;
  const ms = systemClock.nowMs() - resultMs;
  metrics.stageSeconds.observe({ model, stage: 'respond' }, ms / 1000);
  trace?.stage('respond', resultMs, ms);
}

export function timingsOf({ timings }: WorkResult, { startMs }: Scope): Timings {
  return { ...timings, totalMs: systemClock.nowMs() - startMs };
}

/** Raw steps [contexts, N, H] of a work that had actions. */
export function rawOf({ raw }: WorkResult): Float32Array {
  if (raw === undefined) throw new Fault('internal', 'a scored work came back without raw steps');
  return raw;
}
