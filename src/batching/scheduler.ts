/**
 * The one loop with the one timer between requests and the engine.
 *
 * `submit` takes the contexts that a work names into use (`context-cache.ts`) and puts it into a bounded queue
 * (`queue.ts`). Whenever the engine has room, the policy (`policy.ts`) takes the next batch out of the queue, `assembly.ts`
 * gives its contexts slots, and the engine runs it; while it runs, the next batch gathers. There is no waiting window:
 * a free engine takes what waits. The loop runs on every submit, on every finished batch, and on the timer, which is
 * set to the next deadline that waits or the next lease that runs out, whichever comes first.
 *
 * Every submitted work settles exactly once. Cancelled, expired and hopeless work is never computed. When the engine
 * fails, everything that waits or runs is rejected as `unavailable`, and so is everything after.
 *
 * Background work goes only when nothing else waits or runs, or has within the last `backgroundGraceMs`. A batch cannot be interrupted, so a normal work that
 * arrives meanwhile waits for at most one batch of the background budget.
 */
import type { ContextCache } from './context-cache.js';
import type { Engine } from '../engine/engine.js';
import { toFault, type Fault } from '../errors.js';
import { abandon, assemble, checkKeepable, settle, type AssembledBatch } from './assembly.js';
import type { Clock } from './clock.js';
import { ServiceEstimate } from './estimate.js';
import { Job, abortFault, abortReason } from './job.js';
import type { RejectReason, SchedulerObserver } from './observer.js';
import { planBatch } from './policy.js';
import { FairDeadlineQueue, type QueueBounds, type QueueRefusal } from './queue.js';
import {
  backgroundFault,
  closedFault,
  deadlineFault,
  drainingFault,
  engineFault,
  queueFault,
} from './refusals.js';
import { fits, type WorkSize } from './size.js';
import { isIndivisible, type HeldContext, type Work, type WorkResult } from './work.js';

export interface SchedulerOptions {
  readonly engine: Engine;
  readonly cache: ContextCache;
  readonly clock: Clock;
  readonly queue: QueueBounds;
  /** Bounds of a batch; a work larger than one of them goes alone. */
  readonly budget: WorkSize;
  readonly backgroundQueue: QueueBounds;
  /** Bounds of a background batch; background work larger than that is refused, unless it cannot be divided. */
  readonly backgroundBudget: WorkSize;
  /** How long no other work must have waited or run before background work begins; default 0. */
  readonly backgroundGraceMs?: number;
  /** 2 spares the engine the round trip between batches, and makes every batch gather for a shorter time. */
  readonly maxInFlightBatches?: 1 | 2;
  readonly observer?: SchedulerObserver;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #queue: FairDeadlineQueue<Job>;
  readonly #background: FairDeadlineQueue<Job>;
  readonly #estimate = new ServiceEstimate();
  readonly #observer: SchedulerObserver;
  readonly #inFlight = new Set<AssembledBatch>();
  /** When what is in flight is expected to be done. */
  #busyUntilMs = 0;
  /** When background work may begin at the earliest. */
  #backgroundFromMs = 0;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #draining = false;
  #drained: (() => void)[] = [];
  #failure: Fault | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#observer = options.observer ?? {};
    this.#queue = new FairDeadlineQueue(options.queue);
    this.#background = new FairDeadlineQueue(options.backgroundQueue);
    void options.engine.failed.then((fault) => this.#fail(engineFault(fault)));
  }

  /** Requests that wait; background work stands behind them all and is not counted. */
  get queueDepth(): number {
    return this.#queue.count;
  }

  /** Memory that they hold. */
  get queueBytes(): number {
    return this.#queue.bytes;
  }

  /** Visible tokens, action steps and contexts that wait. */
  get queueSize(): WorkSize {
    return this.#queue.size;
  }

  get inFlightBatches(): number {
    return this.#inFlight.size;
  }

  /** Estimated time until a work submitted now would begin. */
  get drainEstimateMs(): number {
    const running = Math.max(0, this.#busyUntilMs - this.#options.clock.nowMs());
    return (this.#inFlight.size > 0 ? running : 0) + this.#estimate.ms(this.#queue.size);
  }

  /** Why any normal work of this client would be refused now, however small; undefined when there is room for one. */
  refusal(client: string): { readonly reason: QueueRefusal; readonly fault: Fault } | undefined {
    const reason = this.#queue.refusal({ client, bytes: 0 });
    return reason === undefined ? undefined : { reason, fault: queueFault(reason, this.drainEstimateMs) };
  }

  /**
   * Computes a work. Buffers with `move` belong to the scheduler from here on. Rejects with a `Fault`: `exhausted` with
   * `retryAfterMs` beyond the queue's bounds, `deadline`, `cancelled` or the signal's own, `not_found` for a context id,
   * `unavailable` while draining or after the engine failed, or what the engine found wrong with this item.
   * A work that runs when its deadline passes still gets its answer.
   */
  submit(work: Work): Promise<WorkResult> {
    const nowMs = this.#options.clock.nowMs();
    let job: Job;
    try {
      this.#admit(work, nowMs);
      job = this.#newJob(work, nowMs);
    } catch (error) {
      return Promise.reject(toFault(error));
    }
    this.#pump();
    return job.result;
  }

  /** Forgets a kept context. Errors: `not_found`. Returns the bytes that it held. */
  drop(contextId: string, owner?: string): number {
    const bytes = this.#options.cache.drop(contextId, owner, this.#options.clock.nowMs());
    this.#pump();
    return bytes;
  }

  /** Gives held contexts back. */
  release(held: readonly HeldContext[]): void {
    for (const each of held) each.end();
    this.#pump();
  }

  /** Refuses new work and resolves when everything accepted has settled. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#failure !== undefined) return Promise.resolve();
    const done = new Promise<void>((resolve) => this.#drained.push(resolve));
    this.#pump();
    return done;
  }

  /** Rejects everything that has not settled as `unavailable` and stops the timer. The engine is the caller's. */
  close(): void {
    this.#fail(closedFault());
  }

  /** Throws the fault for which a work is refused before it touches the queue. */
  #admit(work: Work, nowMs: number): void {
    const { priority } = work;
    if (this.#failure !== undefined) throw this.#refuse('engine_failed', this.#failure, priority);
    if (this.#draining) throw this.#refuse('draining', drainingFault(), priority);
    if (work.signal.aborted) {
      const fault = abortFault(work.signal);
      throw this.#refuse(abortReason(fault), fault, priority);
    }
    if (work.deadlineMs <= nowMs) throw this.#refuse('deadline', deadlineFault(), priority);
    try {
      checkKeepable(work, this.#options.cache, this.#options.engine);
    } catch (error) {
      throw this.#refuse('context_cache', toFault(error), priority);
    }
  }

  #newJob(work: Work, nowMs: number): Job {
    const { cache, backgroundBudget } = this.#options;
    let job: Job;
    try {
      job = new Job(work, cache, nowMs);
    } catch (error) {
      throw this.#refuse('not_found', toFault(error), work.priority);
    }
    const background = work.priority === 'background';
    if (background && !fits(job.size, backgroundBudget) && !isIndivisible(work)) {
      job.endUses(nowMs);
      throw this.#refuse('background_budget', backgroundFault(job.size, backgroundBudget), work.priority);
    }
    const refusal = (background ? this.#background : this.#queue).push(job, nowMs);
    if (refusal !== undefined) {
      job.endUses(nowMs);
      throw this.#refuse(refusal, queueFault(refusal, this.drainEstimateMs), work.priority);
    }
    if (!background) this.#deferBackground(nowMs);
    job.listen(() => this.#aborted(job));
    return job;
  }

  #aborted(job: Job): void {
    const fault = abortFault(job.work.signal);
    const waited = this.#queue.remove(job) || this.#background.remove(job);
    if (!waited && fault.kind === 'superseded') return;
    if (waited) job.endUses(this.#options.clock.nowMs());
    this.#reject(job, abortReason(fault), fault);
    this.#pump();
  }

  #deferBackground(nowMs: number): void {
    this.#backgroundFromMs = nowMs + (this.#options.backgroundGraceMs ?? 0);
  }

  /** The loop: ends what is overdue, starts what can start, sets the timer. */
  #pump(): void {
    const { cache, clock, maxInFlightBatches = 1 } = this.#options;
    if (this.#failure !== undefined) return;
    const nowMs = clock.nowMs();
    cache.expire(nowMs);
    for (const queue of [this.#queue, this.#background]) {
      for (const job of queue.takeExpired(nowMs)) this.#rejectWaiting(job, 'deadline', nowMs);
    }
    while (this.#inFlight.size < maxInFlightBatches) {
      if (!this.#startNext(nowMs)) break;
    }
    this.#setTimer();
    if (this.#draining && this.#queue.count + this.#background.count === 0 && this.#inFlight.size === 0)
      this.#endDrain();
  }

  /** Starts one batch; false when there is nothing to start. */
  #startNext(nowMs: number): boolean {
    const { cache, budget, backgroundBudget } = this.#options;
    const idle = this.#inFlight.size === 0;
    const startMs = idle ? nowMs : Math.max(nowMs, this.#busyUntilMs);
    const background = idle && this.#queue.count === 0 && nowMs >= this.#backgroundFromMs;
    const plan = background
      ? planBatch(this.#background, startMs, this.#estimate, backgroundBudget)
      : planBatch(this.#queue, startMs, this.#estimate, budget);
    for (const job of plan.hopeless) this.#rejectWaiting(job, 'hopeless', nowMs);
    if (plan.hopeless.length > 0 && plan.admitted.length === 0) this.#estimate.relax();
    // with nothing to compute, an idle engine is still told which contexts to forget
    if (plan.admitted.length === 0 && !(idle && cache.hasReleased)) return plan.hopeless.length > 0;
    const assembled = assemble(plan.admitted, cache, this.#options.engine);
    for (const { job, fault } of assembled.refused) {
      job.endUses(nowMs);
      this.#reject(job, 'context_cache', fault);
    }
    const { batch, parts } = assembled;
    if (parts.length === 0 && batch.release.length === 0) return true;
    for (const { job } of parts) {
      job.dequeuedMs = nowMs;
      this.#observer.onDequeue?.(job.deadlineMs - nowMs);
    }
    this.#busyUntilMs = startMs + this.#estimate.ms(assembled.summary);
    this.#inFlight.add(assembled);
    void this.#run(assembled, background, nowMs);
    return true;
  }

  /** Never rejects. */
  async #run(assembled: AssembledBatch, background: boolean, startedMs: number): Promise<void> {
    const { clock, engine } = this.#options;
    try {
      const result = await engine.run(assembled.batch);
      if (this.#failure !== undefined) return;
      const nowMs = clock.nowMs();
      const { encodeMs, scoreMs } = result;
      const { summary } = assembled;
      settle(assembled, result, nowMs, ({ work }) => this.#observer.onReject?.('engine_item', work.priority));
      this.#inFlight.delete(assembled);
      if (!background) this.#deferBackground(nowMs);
      this.#estimate.record(summary, encodeMs, scoreMs);
      if (summary.works > 0) {
        this.#observer.onBatch?.({ ...summary, background, encodeMs, scoreMs, wallMs: nowMs - startedMs });
      }
      this.#pump();
    } catch (error) {
      this.#fail(engineFault(toFault(error)));
    }
  }

  #fail(fault: Fault): void {
    if (this.#failure !== undefined) return;
    this.#failure = fault;
    const nowMs = this.#options.clock.nowMs();
    for (const job of [...this.#queue.takeAll(), ...this.#background.takeAll()]) {
      job.endUses(nowMs);
      this.#reject(job, 'engine_failed', fault);
    }
    for (const assembled of this.#inFlight) {
      for (const { job } of assembled.parts) this.#reject(job, 'engine_failed', fault);
      abandon(assembled, nowMs);
    }
    this.#inFlight.clear();
    this.#endDrain();
  }

  #endDrain(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const resolve of this.#drained) resolve();
    this.#drained = [];
  }

  #setTimer(): void {
    const { cache, clock } = this.#options;
    const waits = this.#background.count > 0 && this.#queue.count === 0 && this.#inFlight.size === 0;
    const atMs = Math.min(
      this.#queue.nextDeadlineMs,
      this.#background.nextDeadlineMs,
      waits ? this.#backgroundFromMs : Infinity,
      cache.nextExpiryMs,
    );
    if (this.#timer?.atMs === atMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (atMs === Infinity) return;
    const cancel = clock.setTimer(Math.max(0, atMs - clock.nowMs()), () => {
      this.#timer = undefined;
      this.#pump();
    });
    this.#timer = { atMs, cancel };
  }

  #rejectWaiting(job: Job, reason: 'deadline' | 'hopeless', nowMs: number): void {
    job.endUses(nowMs);
    this.#reject(job, reason, deadlineFault());
  }

  #reject(job: Job, reason: RejectReason, fault: Fault): void {
    if (job.reject(fault)) this.#observer.onReject?.(reason, job.work.priority);
  }

  #refuse(reason: RejectReason, fault: Fault, priority: Work['priority']): Fault {
    this.#observer.onReject?.(reason, priority);
    return fault;
  }
}
