/** Bounds that suit one model on a few CPU cores; a GPU wants larger batches. */
import type { QueueBounds } from './queue.js';
import type { WorkSize } from './size.js';

/**
 * About 0.2 s of a two-core machine, 4096 wide. A matrix product is at its limit with far fewer tokens; the budget
 * is there to bound how long an urgent request waits for the running batch.
 */
export const DEFAULT_BUDGET: WorkSize = { tokens: 4096, steps: 4096, contexts: 32 };

/** About 20 ms of the same machine: the most that background work can delay a request. */
export const DEFAULT_BACKGROUND_BUDGET: WorkSize = { tokens: 256, steps: 256, contexts: 4 };

/**
 * How long the engine must have been without requests before background work may begin: a client in a closed loop sends
 * its next request within a few milliseconds of the last answer, and must not find the engine taken.
 */
export const DEFAULT_BACKGROUND_GRACE_MS = 5;

export const DEFAULT_QUEUE_BOUNDS: QueueBounds = {
  maxItems: 1024,
  /** About 100 bfloat16 contexts of 600 tokens, 4096 wide. */
  maxBytes: 512 * 2 ** 20,
  clientShare: 0.5,
  /** About two requests with a context of 600 tokens and 16 candidates. */
  quantum: 1536,
  patienceMs: 10_000,
};

export const DEFAULT_BACKGROUND_QUEUE_BOUNDS: QueueBounds = {
  ...DEFAULT_QUEUE_BOUNDS,
  maxItems: 64,
  maxBytes: 32 * 2 ** 20,
  clientShare: 1,
};
