/** A work on its way through the scheduler: piece by piece, settled once, and then without anything that it held. */
import type { Outcome } from '../engine/engine.js';
import { discard } from '../engine/memory.js';
import type { Fault } from '../errors.js';
import type { ContextCache } from './context-cache.js';
import { JobContexts } from './job-contexts.js';
import { Cells, type Piece } from './plan.js';
import type { QueueItem } from './queue.js';
import type { WorkSize } from './size.js';
import {
  bytesOfWork,
  taskRow,
  visibleTokens,
  type BatchSummary,
  type Chunks,
  type Work,
  type WorkResult,
} from './work.js';

export class Job implements QueueItem {
  readonly work: Work;
  readonly bytes: number;
  readonly contexts: JobContexts;
  readonly cells: Cells;
  readonly chunks: Chunks | undefined;
  readonly result: Promise<WorkResult>;
  readonly #cache: ContextCache;
  #number: number | undefined;
  #raw: Float32Array | undefined;
  #waitsSinceMs: number;
  #dequeued = false;
  #queueMs = 0;
  #encodeMs = 0;
  #scoreMs = 0;
  #resolve!: (result: WorkResult) => void;
  #reject!: (fault: Fault) => void;
  #detach: () => void = () => undefined;
  #settled = false;

  /** Takes the kept contexts into use. Errors: `not_found`; nothing is held then. */
  constructor(work: Work, cache: ContextCache, nowMs: number) {
    const { task } = work;
    const row = taskRow(task);
    this.work = work;
    this.bytes = bytesOfWork(work);
    this.chunks = row.chunks(task);
    this.cells = new Cells({
      tokens: work.contexts.map((context) => (context.kind === 'inline' ? visibleTokens(context.encode) : 0)),
      candidates: this.chunks?.candidates ?? 0,
      steps: this.chunks?.steps ?? 0,
      stepCost: row.stepCost,
    });
    this.#waitsSinceMs = nowMs;
    this.#cache = cache;
    this.contexts = new JobContexts(work, cache, nowMs);
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get client(): string {
    return this.work.client;
  }

  get deadlineMs(): number {
    return this.work.deadlineMs;
  }

  /** What is left of it. */
  get size(): WorkSize {
    return this.cells.left;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Calls `onAbort` when the work's signal aborts before it has settled. */
  listen(onAbort: () => void): void {
    const { signal } = this.work;
    signal.addEventListener('abort', onAbort);
    this.#detach = () => signal.removeEventListener('abort', onAbort);
  }

  /**
   * The work's number, for a piece whose chunks meet other contexts in other pieces: the engine may keep what it computes of
   * them, until the number is released as slots are.
   */
  numberOf({ from, to }: Piece): number | undefined {
    if (to - from === this.work.contexts.length) return undefined;
    return (this.#number ??= this.#cache.slots.next());
  }

  /** A piece goes to the engine. */
  dequeue(nowMs: number): void {
    this.#queueMs += nowMs - this.#waitsSinceMs;
    this.#dequeued = true;
  }

  /** A piece came back well. */
  add(piece: Piece, outcome: Outcome<Float32Array> | undefined, encodeMs: number, scoreMs: number): void {
    this.#encodeMs += encodeMs;
    this.#scoreMs += scoreMs;
    if (outcome?.ok === true) this.#store(piece, outcome.value);
  }

  /** Its next piece waits from now on. */
  wait(nowMs: number): void {
    this.#waitsSinceMs = nowMs;
  }

  /** All pieces came back. */
  resolve(batch: BatchSummary, nowMs: number): void {
    if (!this.#settle()) return;
    const { kept, held, pinned } = this.contexts.settle(nowMs);
    const { keepRefused } = this.contexts;
    this.#resolve({
      ...(this.#raw && { raw: this.#raw }),
      kept,
      ...(this.work.hold === true && { held }),
      ...(pinned && { pinned }),
      ...(keepRefused !== undefined && { keepRefused }),
      timings: { queueMs: this.#queueMs, encodeMs: this.#encodeMs, scoreMs: this.#scoreMs },
      batch,
    });
  }

  /** False when it had settled before. What it holds goes back; what runs of it is thrown away. */
  reject(fault: Fault, nowMs: number): boolean {
    if (!this.#settle()) return false;
    this.contexts.abandon(nowMs);
    if (!this.#dequeued) this.#discardMoved();
    this.#reject(fault);
    return true;
  }

  /** Memory that was given away with the work and that no engine has got: a server at rest would not collect it for long. */
  #discardMoved(): void {
    const buffers = this.work.contexts.flatMap((context) =>
      'encode' in context && context.encode.move ? [context.encode.bytes.buffer as ArrayBuffer] : [],
    );
    discard(buffers.filter(({ byteLength }) => byteLength > 0));
  }

  /** `raw` [to - from, last - first, width] into [B, N, width]. */
  #store({ from, to, first, last, final }: Piece, raw: Float32Array): void {
    const { candidates } = this.chunks!;
    const width = taskRow(this.work.task).width(this.chunks!);
    if (final && from === 0 && first === 0) {
      this.#raw = raw; // whole
      return;
    }
    this.#raw ??= new Float32Array(this.work.contexts.length * candidates * width);
    const part = (last - first) * width;
    for (let row = from; row < to; row++) {
      const values = raw.subarray((row - from) * part, (row - from + 1) * part);
      this.#raw.set(values, (row * candidates + first) * width);
    }
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#detach();
    if (this.#number !== undefined) this.#cache.slots.release(this.#number);
    return true;
  }
}
