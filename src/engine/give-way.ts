/** Threads that give way to others where they compete for a processor. */
import { readdirSync, readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/**
 * Lowers the priority of the calling thread, and so of every thread that it starts afterwards, such as a runtime's pool. On Linux
 * alone, where a thread can be named; elsewhere nothing happens. Without competition nothing changes.
 *
 * @param niceness 1 to 19: each step is about a fifth less weight beside an ordinary thread
 */
export function giveWay(niceness: number): void {
  try {
    setPriority(callingThread(), niceness);
  } catch {
    // no /proc, or not allowed: a matter of latency only
  }
}

/**
 * `giveWay` for a while, where a thread may rise again: root, CAP_SYS_NICE and RLIMIT_NICE allow it. Elsewhere it stays where it
 * is, a step lower at most. Returns what raises it again to `niceness`, with the threads that it started meanwhile.
 *
 * @param lower a niceness that no other kind of thread in the process has
 */
export function giveWayMeanwhile(niceness: number, lower: number): () => void {
  try {
    const thread = callingThread();
    setPriority(thread, niceness + 1);
    setPriority(thread, niceness); // throws where nobody may rise
    setPriority(thread, lower);
  } catch {
    return () => undefined;
  }
  return () => {
    for (const thread of readdirSync('/proc/self/task').map(Number)) {
      try {
        if (getPriority(thread) === lower) setPriority(thread, niceness);
      } catch {
        // it has ended
      }
    }
  };
}

/** Errors: where there is no /proc. */
function callingThread(): number {
  const [, thread] = /\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self')) ?? [];
  if (thread === undefined) throw new Error('no such thread');
  return Number(thread);
}
