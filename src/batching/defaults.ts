/** Bounds that suit one model on a few CPU cores; a GPU wants larger batches. */
import type { QueueBounds } from './queue.js';
import type { BatchBounds } from './plan.js';

/**
 * How long an urgent request waits for the running batch, at most about. A matrix product is at its limit with a batch of a
 * few milliseconds already, so the time costs nothing; tokens, steps and contexts bound the memory of a batch.
 */
export const DEFAULT_BOUNDS: BatchBounds = { tokens: 4096, steps: 4096, contexts: 32, ms: 50 };

/** The most that background work can delay a request; 256 tokens or steps are some 10 ms of two cores, 4096 wide. */
export const DEFAULT_BACKGROUND_BOUNDS: BatchBounds = { tokens: 256, steps: 256, contexts: 4, ms: 20 };

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
