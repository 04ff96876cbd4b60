/** Closed-loop load: a fixed number of callers, each sending again when it has its answer. */

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
