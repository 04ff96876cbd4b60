/**
 * Memory after a burst. What clients caused is free for others at once, but V8 looks for dead buffers only when something
 * allocates, and a server at rest allocates nothing: it would hold the garbage of a burst for minutes (76 to 97 MiB for a
 * minute after the short form of the attacks). So when much was taken from the budget and then hardly anything more, one full
 * collection is asked for. How much of it the allocator gives back: docs/limits.md.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../batching/clock.js';
import type { MemoryBudget } from './memory-budget.js';

/** At rest: at most `LITTLE_BYTES` were taken between two looks, which is what probes of its health and metrics take. */
const LOOK_MS = 5_000;
const LITTLE_BYTES = 4 * 1024 ** 2;
/** Garbage of less is not worth the 10 to 50 ms that a collection may take of two threads. */
const LEAST_BYTES = 32 * 1024 ** 2;

/** Returns what ends the looking. */
export function collectAtRest(
  budget: Pick<MemoryBudget, 'everTaken'>,
  clock: Clock,
  collect: () => void = fullCollection(),
): () => void {
  let seen = budget.everTaken;
  let collected = seen;
  let cancel = (): void => undefined;
  const look = (): void => {
    const taken = budget.everTaken;
    if (taken - seen <= LITTLE_BYTES && taken - collected >= LEAST_BYTES) {
      collected = taken;
      collect();
    }
    seen = taken;
    cancel = clock.setTimer(LOOK_MS, look);
  };
  cancel = clock.setTimer(LOOK_MS, look);
  return () => cancel();
}

/** V8's own, which Node hides behind a flag that works as it runs. */
function fullCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: { type: 'major'; execution: 'async' }) => unknown;
  setFlagsFromString('--no-expose-gc');
  return () => void gc({ type: 'major', execution: 'async' });
}
