/**
 * The one loop with the one timer between requests and the engine.
 *
 * `submit` takes the contexts that a work names into use (`context-cache.ts`) and puts it into a bounded queue (`queue.ts`). Whenever
 * the engine is free, `plan.ts` takes the next batch out of the queue, `assembly.ts` gives its contexts slots, and the engine runs it;
 * while it runs, the next batch gathers. There is no waiting window: a free engine takes what waits. The loop runs on every submit, on
 * every finished batch, and on the timer, which is set to the next deadline that waits or the next lease that runs out.
 *
 * A batch cannot be interrupted, so it is bounded: work larger than the bounds goes piece by piece (`plan.ts`), and others have their
 * turn between two pieces. Background work goes the same way, with bounds of its own, and only when nothing else waits or runs, or has
 * within the last `backgroundGraceMs`.
 *
 * Every submitted work settles exactly once. Cancelled, expired and hopeless work is not computed, nor is what is left of work that was
 * begun. When a batch is lost, its works end as `unavailable` and the next batch goes; when the engine fails, everything that waits or
 * runs is rejected so, and everything after.
 */
import type { ContextCache } from './context-cache.js';
import type { Engine } from '../engine/engine.js';
import { toFault, type Fault } from '../errors.js';
import { assemble, checkKeepable, settle, type AssembledBatch } from './assembly.js';
import { Alarm, type Clock } from './clock.js';
import { Job } from './job.js';
import {
  type RejectReason,
  type SchedulerObserver,
  abortFault,
  abortReason,
  closedFault,
  deadlineFault,
  drainingFault,
  engineFault,
  queueFault,
} from './reports.js';
import { planBatch, type BatchBounds } from './plan.js';
import { FairDeadlineQueue, type QueueBounds, type QueueRefusal } from './queue.js';
import { ServiceEstimate } from './size.js';
import type { HeldContext, Work, WorkResult } from './work.js';

export interface SchedulerOptions {
  readonly engine: Engine;
  readonly cache: ContextCache;
  readonly clock: Clock;
  readonly queue: QueueBounds;
  /** Bounds of a batch, and of the pieces that larger work is cut into. */
  readonly bounds: BatchBounds;
  readonly backgroundQueue: QueueBounds;
  /** The same for background work, and for all work until the first batch was measured. */
  readonly backgroundBounds: BatchBounds;
  /** How long no other work must have waited or run before background work begins; default 0. */
  readonly backgroundGraceMs?: number;
  readonly observer?: SchedulerObserver;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #queue: FairDeadlineQueue<Job>;
  readonly #background: FairDeadlineQueue<Job>;
  readonly #estimate = new ServiceEstimate();
  readonly #observer: SchedulerObserver;
  #running: AssembledBatch | undefined;
  /** When what runs is expected to be done. */
  #busyUntilMs = 0;
  /** When background work may begin at the earliest. */
  #backgroundFromMs = 0;
  readonly #alarm: Alarm;
  #draining = false;
  #drained: (() => void)[] = [];
  #failure: Fault | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#observer = options.observer ?? {};
    this.#queue = new FairDeadlineQueue(options.queue);
    this.#background = new FairDeadlineQueue(options.backgroundQueue);
    this.#alarm = new Alarm(options.clock, () => this.#pump());
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

  /** Estimated time until a work submitted now would begin. */
  get drainEstimateMs(): number {
    const running = Math.max(0, this.#busyUntilMs - this.#options.clock.nowMs());
    return (this.#running === undefined ? 0 : running) + this.#estimate.ms(this.#queue.size);
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
    const nowMs = this.#options.clock.nowMs();
    for (const each of held) each.end(nowMs);
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
    let job: Job;
    try {
      job = new Job(work, this.#options.cache, nowMs);
    } catch (error) {
      throw this.#refuse('not_found', toFault(error), work.priority);
    }
    const background = work.priority === 'background';
    const refusal = (background ? this.#background : this.#queue).push(job, nowMs);
    if (refusal !== undefined) {
      job.contexts.abandon(nowMs);
      throw this.#refuse(refusal, queueFault(refusal, this.drainEstimateMs), work.priority);
    }
    if (!background) this.#deferBackground(nowMs);
    job.listen(() => this.#aborted(job));
    return job;
  }

  #aborted(job: Job): void {
    const fault = abortFault(job.work.signal);
    if (job.cells.begun && fault.kind === 'superseded') return;
    this.#reject(job, abortReason(fault), fault);
    this.#pump();
  }

  #deferBackground(nowMs: number): void {
    this.#backgroundFromMs = nowMs + (this.#options.backgroundGraceMs ?? 0);
  }

  /** The loop: ends what is overdue, starts what can start, sets the timer. */
  #pump(): void {
    const { cache, clock } = this.#options;
    if (this.#failure !== undefined) return;
    const nowMs = clock.nowMs();
    cache.expire(nowMs);
    for (const queue of [this.#queue, this.#background]) {
      for (const job of queue.takeExpired(nowMs)) this.#reject(job, 'deadline', deadlineFault());
    }
    while (this.#running === undefined && this.#startNext(nowMs));
    this.#setAlarm();
    const idle = this.#queue.count + this.#background.count === 0 && this.#running === undefined;
    if (this.#draining && idle) this.#endDrain();
  }

  /** Starts one batch; false when there is nothing to start. */
  #startNext(nowMs: number): boolean {
    const { cache, bounds, backgroundBounds } = this.#options;
    const background = this.#queue.count === 0 && nowMs >= this.#backgroundFromMs;
    const small = background || !this.#estimate.measured;
    const queue = background ? this.#background : this.#queue;
    const plan = planBatch(queue, nowMs, this.#estimate, small ? backgroundBounds : bounds);
    for (const job of plan.hopeless) this.#reject(job, 'hopeless', deadlineFault());
    if (plan.hopeless.length > 0 && plan.turns.length === 0) this.#estimate.relax();
    // with nothing to compute, an idle engine is still told which contexts to forget
    if (plan.turns.length === 0 && !cache.slots.hasReleased) return plan.hopeless.length > 0;
    for (const { job } of plan.turns) {
      if (!job.cells.begun) this.#observer.onDequeue?.(job.deadlineMs - nowMs);
      job.dequeue(nowMs);
    }
    const assembled = assemble(plan.turns, cache, this.#options.engine);
    for (const { job, fault } of assembled.refused) this.#reject(job, 'context_cache', fault);
    const { batch, parts } = assembled;
    if (parts.length + batch.encode.length + batch.release.length === 0) return true;
    this.#busyUntilMs = nowMs + this.#estimate.ms(assembled.summary);
    this.#running = assembled;
    void this.#run(assembled, background, nowMs);
    return true;
  }

  /** Never rejects. */
  async #run(assembled: AssembledBatch, background: boolean, startedMs: number): Promise<void> {
    const { clock, engine } = this.#options;
    const { parts, summary } = assembled;
    try {
      const result = await engine.run(assembled.batch);
      if (this.#failure !== undefined) return;
      const nowMs = clock.nowMs();
      const { encodeMs, scoreMs } = result;
      settle(assembled, result, nowMs, (job, fault) => this.#reject(job, 'engine_item', fault));
      for (const { job } of parts) (background ? this.#background : this.#queue).standBack(job, nowMs);
      this.#estimate.record(summary, encodeMs, scoreMs);
      if (summary.works > 0) {
        this.#observer.onBatch?.({ ...summary, background, encodeMs, scoreMs, wallMs: nowMs - startedMs });
      }
    } catch (error) {
      const fault = engineFault(toFault(error));
      for (const { job } of parts) this.#reject(job, 'engine_failed', fault);
    }
    if (this.#failure !== undefined) return;
    this.#running = undefined;
    if (!background) this.#deferBackground(clock.nowMs());
    this.#pump();
  }

  #fail(fault: Fault): void {
    if (this.#failure !== undefined) return;
    this.#failure = fault;
    for (const { job } of this.#running?.parts ?? []) this.#reject(job, 'engine_failed', fault);
    for (const job of [...this.#queue.takeAll(), ...this.#background.takeAll()]) {
      this.#reject(job, 'engine_failed', fault);
    }
    this.#running = undefined;
    this.#endDrain();
  }

  #endDrain(): void {
    this.#alarm.set(Infinity);
    for (const resolve of this.#drained) resolve();
    this.#drained = [];
  }

  #setAlarm(): void {
    const waits = this.#background.count > 0 && this.#queue.count === 0 && this.#running === undefined;
    this.#alarm.set(
      Math.min(
        this.#queue.nextDeadlineMs,
        this.#background.nextDeadlineMs,
        waits ? this.#backgroundFromMs : Infinity,
        this.#options.cache.nextExpiryMs,
      ),
    );
  }

  /** Ends a job wherever it is: whatever of it waits leaves the queue, what runs is thrown away. */
  #reject(job: Job, reason: RejectReason, fault: Fault): void {
    this.#queue.remove(job);
    this.#background.remove(job);
    if (!job.reject(fault, this.#options.clock.nowMs())) return;
    this.#observer.onReject?.(reason, job.work.priority);
  }

  #refuse(reason: RejectReason, fault: Fault, priority: Work['priority']): Fault {
    this.#observer.onReject?.(reason, priority);
    return fault;
  }
}
