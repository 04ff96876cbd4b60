/** Short forms for the scheduler's tests. */
import { Scheduler, type SchedulerOptions } from '../../../src/batching/scheduler.js';
import type { ContextRef, Work, Chunks, Task } from '../../../src/batching/work.js';
import type { RejectReason, BatchReport } from '../../../src/batching/reports.js';
import { ContextCache } from '../../../src/batching/context-cache.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeEngine, type FakeEngineOptions } from '../../support/fake-engine.js';

/** A context of `tokens` visible tokens whose first byte is `first`. */
export function inline(tokens: number, first = 1, keepMs?: number): ContextRef {
  const bytes = new Uint8Array(tokens * 4).fill(first);
  const encode = { dtype: 'float32', bytes, visible: [[0, tokens]], move: true } as const;
  return { kind: 'inline', encode, ...(keepMs !== undefined && { keep: { leaseMs: keepMs } }) };
}

/** Candidates of one step and one dim; candidate n has the value `values[n]`. */
export function actions(...values: number[]): Chunks {
  return { values: Float32Array.from(values), candidates: values.length, steps: 1 };
}

export function scoring(...values: number[]): Task {
  return { kind: 'score', actions: actions(...values) };
}

export function work(overrides: Partial<Work> = {}): Work {
  return {
    client: 'a',
    deadlineMs: Infinity,
    signal: new AbortController().signal,
    priority: 'normal',
    contexts: [inline(10)],
    task: scoring(1, 2),
    ...overrides,
  };
}

export function encodeOnly(contexts: ContextRef[]): Work {
  return work({ contexts, task: { kind: 'encode' } });
}

export interface Bench {
  readonly clock: FakeClock;
  readonly engine: FakeEngine;
  readonly cache: ContextCache;
  readonly scheduler: Scheduler;
  readonly rejects: RejectReason[];
  readonly reports: BatchReport[];
}

const bounds = { maxItems: 100, maxBytes: 1e6, clientShare: 1, quantum: 100, patienceMs: 1000 };

/** A scheduler on a fake engine that takes 1 ms a token and a step, unless told otherwise. */
export function bench(
  options: Partial<SchedulerOptions> = {},
  engineOptions: Partial<FakeEngineOptions> = {},
  maxCacheBytes = 1000,
): Bench {
  const clock = new FakeClock();
  const engine = new FakeEngine({ clock, msPerToken: 1, msPerStep: 1, poison: 13, ...engineOptions });
  let ids = 0;
  const cache = new ContextCache({
    maxBytes: maxCacheBytes,
    maxLeaseMs: 1e5,
    newId: () => `id${ids++}`,
  });
  const rejects: RejectReason[] = [];
  const reports: BatchReport[] = [];
  const scheduler = new Scheduler({
    engine,
    cache,
    clock,
    queue: bounds,
    bounds: { tokens: 100, steps: 100, contexts: 10, ms: Infinity },
    backgroundQueue: bounds,
    backgroundBounds: { tokens: 20, steps: 20, contexts: 2, ms: Infinity },
    observer: { onReject: (reason) => rejects.push(reason), onBatch: (report) => reports.push(report) },
    ...options,
  });
  return { clock, engine, cache, scheduler, rejects, reports };
}
