/**
 * Load on a server and the latencies that its callers see. Closed loop: a fixed number of callers, each sending again when it has its
 * answer. Open loop: calls are due at a fixed rate, or when a schedule says, whatever became of the ones before; a call's latency
 * counts from when it was due, so a server that stalls is charged for every call that had to wait meanwhile (no coordinated omission).
 */
import { toFault, type FaultKind } from '../errors.js';

export interface ClosedLoopResult {
  readonly latenciesMs: readonly number[];
  readonly perSecond: number;
}

/** Runs `concurrency` callers for `durationMs`, and until each has its last answer. Errors: the first one of a call. */
export async function runClosedLoop(
  concurrency: number,
  durationMs: number,
  send: () => Promise<unknown>,
): Promise<ClosedLoopResult> {
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + durationMs;
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < endMs;) {
      await send();
      const answered = performance.now();
      latenciesMs.push(answered - now);
      now = answered;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  return { latenciesMs, perSecond: (1000 * latenciesMs.length) / (performance.now() - startMs) };
}

export interface OpenLoopOptions {
  /** Calls a second. */
  readonly rate: number;
  readonly durationMs: number;
  /** When call `index` is due after the beginning, ascending; absent: evenly. */
  readonly dueMs?: (index: number) => number;
  /** Most calls under way; those due beyond it wait in the client, and their waiting counts. */
  readonly concurrency: number;
  /** One call; `index` counts from 0. Rejects with a `Fault`. */
  readonly send: (index: number) => Promise<unknown>;
  readonly signal?: AbortSignal;
  /** About once a second. */
  readonly onProgress?: (progress: {
    readonly sent: number;
    readonly done: number;
    readonly errors: number;
  }) => void;
}

export interface OpenLoopResult {
  /** Calls that were due. */
  readonly due: number;
  /** Successful calls, from due to answer, in order of completion. */
  readonly latenciesMs: readonly number[];
  /** Unsuccessful calls by kind of fault. */
  readonly errors: Readonly<Partial<Record<FaultKind, number>>>;
  /** One message of each kind. */
  readonly examples: Readonly<Partial<Record<FaultKind, string>>>;
  /** From the first call due to the last answer. */
  readonly elapsedMs: number;
}

const PROGRESS_MS = 1_000;

/** Resolves when every call that was due has ended. When `signal` aborts, no further call is due. */
export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { rate, durationMs, concurrency, send, signal, onProgress } = options;
  const total = Math.max(1, Math.round((rate * durationMs) / 1000));
  const latenciesMs: number[] = [];
  const errors: Partial<Record<FaultKind, number>> = {};
  const examples: Partial<Record<FaultKind, string>> = {};
  const startMs = performance.now();
  const { dueMs = (index: number): number => (1000 * index) / rate } = options;
  const dueAt = (index: number): number => startMs + dueMs(index);
  let sent = 0;
  let done = 0;
  let failed = 0;

  const one = async (index: number): Promise<void> => {
    try {
      await send(index);
      latenciesMs.push(performance.now() - dueAt(index));
    } catch (error) {
      const { kind, message } = toFault(error);
      errors[kind] = (errors[kind] ?? 0) + 1;
      examples[kind] ??= message;
      failed++;
    }
    done++;
  };

  const progress = setInterval(() => onProgress?.({ sent, done, errors: failed }), PROGRESS_MS);
  try {
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const pump = (): void => {
        clearTimeout(timer);
        const nowMs = performance.now();
        const over = signal?.aborted === true;
        while (!over && sent < total && sent - done < concurrency && dueAt(sent) <= nowMs) {
          void one(sent++).then(pump);
        }
        if ((over || sent === total) && done === sent) resolve();
        else if (!over && sent < total && sent - done < concurrency) {
          timer = setTimeout(pump, Math.max(0, dueAt(sent) - nowMs));
        }
      };
      signal?.addEventListener('abort', pump, { once: true });
      pump();
    });
  } finally {
    clearInterval(progress);
  }
  return { due: sent, latenciesMs, errors, examples, elapsedMs: performance.now() - startMs };
}

/** What is said about the latencies of many calls. Exact: every value is kept, 8 bytes a call. */
export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Smallest value with at least the share `p` of all values at or below it (nearest rank); NaN of nothing. */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!;
}

export function summarize(valuesMs: readonly number[]): LatencySummary {
  const sorted = Float64Array.from(valuesMs).sort();
  return {
    count: sorted.length,
    meanMs: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p90Ms: percentile(sorted, 0.9),
    p99Ms: percentile(sorted, 0.99),
    maxMs: percentile(sorted, 1),
  };
}
