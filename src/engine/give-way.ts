/** Threads that give way to others where they compete for a processor. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * Lowers the priority of the calling thread, and so of every thread that it starts afterwards, such as a runtime's pool. On Linux
 * alone, where a thread can be named; elsewhere nothing happens. Without competition nothing changes.
 *
 * @param niceness 1 to 19: each step is about a fifth less weight beside an ordinary thread
 */
export function giveWay(niceness: number): void {
  try {
    const [, thread] = /\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self')) ?? [];
    if (thread !== undefined) setPriority(Number(thread), niceness);
  } catch {
    // no /proc, or not allowed: a matter of latency only
  }
}
