/** The engine's threads give way to the thread that talks to clients: it needs the processor seldom, but then at once. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

/** A third of the weight of an ordinary thread where the two compete; without competition nothing changes. */
const NICENESS = 5;

/**
 * Lowers the priority of the calling thread, and so of every thread that it starts afterwards, such as a runtime's pool.
 * On Linux alone, where a thread can be named; elsewhere nothing happens.
 */
export function giveWay(): void {
  try {
    const [, thread] = /\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self')) ?? [];
    if (thread !== undefined) setPriority(Number(thread), NICENESS);
  } catch {
    // no /proc, or not allowed: a matter of latency only
  }
}
