/** A server in a process of its own, as `action-energy serve` starts it, and what the system says about it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
/** A D 4096 model is warm in a few seconds; a busy machine takes longer. */
const START_TIMEOUT_MS = 120_000;

interface LogLine {
  readonly msg?: string;
  readonly addresses?: readonly string[];
  readonly metricsPort?: number;
}

export interface ServerProcess {
  readonly child: ChildProcess;
  readonly address: string;
  readonly metricsPort: number;
  /** Everything that it logged, one JSON line an entry. */
  readonly log: readonly string[];
  /** Resolves with exit code and signal. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** SIGTERM, then waits for the exit. */
  stop(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** Resolves when the server listens. Errors: one that exits before, with what it printed. */
export async function startServerProcess(
  args: readonly string[],
  nodeArgs: readonly string[] = [],
  main = MAIN,
): Promise<ServerProcess> {
  const child = spawn(
    process.execPath,
    [...nodeArgs, main, 'serve', '--address', '127.0.0.1:0', '--metrics-address', '127.0.0.1:0', ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const exited = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  const log: string[] = [];
  const serving = new Promise<LogLine>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (text) => {
        log.push(text);
        const line = parseLine(text);
        if (line?.msg === 'serving') resolve(line);
      });
    }
  });
  const timeout = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  const line = await Promise.race([
    serving,
    exited.then(({ code, signal }) => {
      throw new Error(`the server exited with ${code ?? signal} before it listened:\n${log.join('\n')}`);
    }),
  ]);
  clearTimeout(timeout);
  return {
    child,
    address: line.addresses![0]!,
    metricsPort: line.metricsPort!,
    log,
    exited,
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

function parseLine(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}

/** Values of the server's metrics by name and labels as printed, e.g. `nodejs_eventloop_lag_p99_seconds`. */
export async function readMetrics({ metricsPort }: ServerProcess): Promise<Map<string, number>> {
  // a connection of its own: one that is kept may be closed by the server just when it is used again
  const page = await fetch(`http://127.0.0.1:${metricsPort}/metrics`, {
    headers: { connection: 'close' },
  });
  const values = new Map<string, number>();
  for (const line of (await page.text()).split('\n')) {
    const [, name, value] = /^([^#\s]\S*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) values.set(name, Number(value));
  }
  return values;
}

/** Resident memory of a process, bytes (Linux). */
export function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

/** CPU seconds that a process has used, all threads (Linux). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // fields 14 and 15, counted after the parenthesised name, which may hold spaces
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

/** USER_HZ, which Linux fixes at 100 for programs. */
const CLOCK_TICKS_PER_SECOND = 100;
