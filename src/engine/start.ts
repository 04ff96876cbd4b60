/** An engine from the calling side: a worker thread (`worker.ts`) that owns the sessions of one model on one device. */
import './telemetry.js';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { Fault, revivedFault, toFault, type PlainFault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { Tensor } from '../tensor/tensor.js';
import type {
  EncodeItem,
  Engine,
  EngineBatch,
  EngineInfo,
  EngineResult,
  Precision,
  Provider,
} from './engine.js';
import { EngineThreads } from './threads.js';

export interface EngineOptions {
  /** `auto` takes the first provider that works and is worth it; a named one is used or refused. Default `auto`. */
  readonly provider?: Provider | 'auto';
  /** `int8` runs the context encoder in 8 bits: faster and no longer exact. Default `float32`. */
  readonly precision?: Precision;
  /** Threads of the runtime's pool; 0 (default): one a core. */
  readonly threads?: number;
  /** CUDA device. Default 0. */
  readonly deviceId?: number;
}

export interface EngineModel {
  readonly card: ModelCard;
  /** The state dict, checked against the card. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** What a worker opens, and the messages between it and the engine. */
export interface WorkerStart extends EngineModel, Required<EngineOptions> {
  /** Others serve meanwhile: they come first. */
  readonly background: boolean;
}

export type ToWorker =
  | { readonly type: 'open'; readonly start: WorkerStart }
  | { readonly type: 'run'; readonly id: number; readonly batch: EngineBatch }
  | { readonly type: 'close' }
  | { readonly type: 'end' };

export type FromWorker =
  | { readonly type: 'ready'; readonly info: EngineInfo }
  | { readonly type: 'refused'; readonly fault: PlainFault }
  | { readonly type: 'result'; readonly id: number; readonly result: EngineResult }
  | { readonly type: 'error'; readonly id: number; readonly fault: PlainFault }
  | { readonly type: 'closed' };

/**
 * Resolves with a warm engine on one of `threads` (default: on one of its own, which ends with it). Errors: `precondition` when a
 * provider asked for by name cannot be used, with the runtime's own words; whatever the model's graphs refuse.
 */
export async function startEngine(
  model: EngineModel,
  options: EngineOptions = {},
  threads = new EngineThreads(0),
): Promise<Engine> {
  const start: WorkerStart = {
    card: model.card,
    weights: model.weights,
    provider: options.provider ?? 'auto',
    precision: options.precision ?? 'float32',
    threads: options.threads || availableParallelism(),
    deviceId: options.deviceId ?? 0,
    background: threads.background,
  };
  const worker = threads.take();
  try {
    worker.postMessage({ type: 'open', start } satisfies ToWorker);
    return new WorkerEngine(worker, await readiness(worker), threads);
  } catch (error) {
    void threads.end(worker);
    throw error;
  }
}

/** The worker's first word: what it opened, or why it could not. Leaves no listener behind. */
async function readiness(worker: Worker): Promise<EngineInfo> {
  const settled = new AbortController();
  const { signal } = settled;
  const died = once(worker, 'exit', { signal }).then(([code]) => {
    throw new Fault('internal', `the engine worker exited with ${String(code)} before it was ready`);
  });
  // `once` rejects by itself when the worker emits 'error'.
  const spoke = once(worker, 'message', { signal }) as Promise<[FromWorker]>;
  try {
    const [message] = await Promise.race([spoke, died]);
    if (message.type === 'ready') return message.info;
    throw message.type === 'refused'
      ? revivedFault(message.fault)
      : new Fault('internal', 'the engine worker spoke out of turn');
  } catch (error) {
    throw toFault(error);
  } finally {
    settled.abort();
  }
}

/**
 * Smaller buffers are copied: that costs microseconds, and one may be the pool that Node cuts small Buffers from, which
 * must not leave this thread (newer Node versions throw).
 */
const LEAST_MOVED_BYTES = 256 * 1024;

interface Pending {
  readonly resolve: (result: EngineResult) => void;
  readonly reject: (fault: Fault) => void;
}

class WorkerEngine implements Engine {
  readonly failed: Promise<Fault>;
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private closing: Promise<void> | undefined;
  private failure: Fault | undefined;
  private exited = false;
  /** Resolves when the thread has closed the device or ended. */
  private readonly over: Promise<void>;
  private readonly ignoreThread: () => void;

  constructor(
    private readonly worker: Worker,
    readonly info: EngineInfo,
    private readonly threads: EngineThreads,
  ) {
    let reportFailure: (fault: Fault) => void = () => undefined;
    this.failed = new Promise((resolve) => (reportFailure = resolve));
    let end = (): void => undefined;
    this.over = new Promise((resolve) => (end = resolve));
    const fail = (fault: Fault): void => {
      if (this.failure) return;
      this.failure = fault;
      for (const { reject } of this.pending.values()) reject(fault);
      this.pending.clear();
      reportFailure(fault);
    };
    const onMessage = (message: FromWorker): void => {
      if (message.type === 'closed') end();
      else this.settle(message);
    };
    const onError = (error: unknown): void =>
      fail(new Fault('internal', 'the engine worker failed', { cause: error }));
    const onExit = (code: number): void => {
      this.exited = true;
      if (!this.closing) fail(new Fault('internal', `the engine worker exited with ${code}`));
      end();
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    this.ignoreThread = () => void worker.off('message', onMessage).off('error', onError).off('exit', onExit);
  }

  run(batch: EngineBatch): Promise<EngineResult> {
    if (this.failure) return Promise.reject(this.failure);
    if (this.closing) return Promise.reject(new Fault('unavailable', 'the engine is closed'));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const encode = batch.encode.map(ownBytes);
      const moved = new Set(encode.map(({ bytes }) => bytes.buffer as ArrayBuffer));
      const message: ToWorker = { type: 'run', id, batch: { ...batch, encode } };
      this.worker.postMessage(message, [...moved]);
      this.pending.set(id, { resolve, reject });
    });
  }

  close(): Promise<void> {
    this.closing ??= this.leave();
    return this.closing;
  }

  private async leave(): Promise<void> {
    if (!this.failure) this.worker.postMessage({ type: 'close' } satisfies ToWorker);
    await this.over;
    this.ignoreThread();
    if (!this.exited) await this.threads.leave(this.worker);
  }

  private settle(message: FromWorker): void {
    if (message.type !== 'result' && message.type !== 'error') return;
    const pending = this.pending.get(message.id);
    this.pending.delete(message.id);
    if (message.type === 'result') pending?.resolve(message.result);
    else pending?.reject(revivedFault(message.fault));
  }
}

/** The item with bytes that may be moved: its own buffer when it gave it up, else a copy of just these bytes. */
function ownBytes(item: EncodeItem): EncodeItem {
  return item.move && item.bytes.buffer.byteLength >= LEAST_MOVED_BYTES
    ? item
    : { ...item, bytes: new Uint8Array(item.bytes), move: true };
}
