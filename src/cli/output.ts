/** What all subcommands share in talking to people and programs: faults, exit codes, tables, JSON. */
import { Fault, type FaultKind } from '../errors.js';

/** One table for every subcommand; `--help` prints it. */
export const EXIT_CODES = {
  done: 0,
  internal: 1,
  usage: 2,
  precondition: 3,
  temporary: 4,
  access: 5,
} as const;

export const EXIT_CODE_HELP = `Exit codes:
  0  done
  1  internal error: a fault of this program
  2  usage or invalid input: a flag, file, key, shape or value is wrong
  3  something named does not exist, or is not in a state to do this
  4  temporary: busy, too late, cancelled or unavailable; trying again may help
  5  not allowed: missing or insufficient credentials
  130  interrupted (Ctrl-C)`;

export function exitCodeOf(kind: FaultKind): number {
  switch (kind) {
    case 'invalid':
      return EXIT_CODES.usage;
    case 'not_found':
    case 'precondition':
      return EXIT_CODES.precondition;
    case 'exhausted':
    case 'deadline':
    case 'cancelled':
    case 'superseded':
    case 'unavailable':
      return EXIT_CODES.temporary;
    case 'unauthenticated':
    case 'denied':
      return EXIT_CODES.access;
    case 'internal':
      return EXIT_CODES.internal;
  }
}

/** A fault as lines for a person; with `verbose` also the stacks of the fault and its causes. */
export function formatFault(fault: Fault, verbose: boolean): string {
  const head = fault.field === undefined ? fault.summary : `${fault.field}: ${fault.summary}`;
  const lines = [`error: ${head}`];
  for (const [label, text] of [
    ['found', fault.found],
    ['wanted', fault.wanted],
    ['mend', fault.mend],
  ] as const) {
    if (text === undefined) continue;
    // lines after the first stand below it
    lines.push(`  ${`${label}:`.padEnd(8)}${text.replaceAll('\n', '\n          ')}`);
  }
  if (verbose) {
    for (let error: unknown = fault; error instanceof Error; error = error.cause) {
      lines.push(error.stack ?? error.message);
    }
  } else if (fault.kind === 'internal') {
    lines.push('  --verbose prints the stack');
  }
  return lines.join('\n');
}

/** A fault as one JSON line: `{ "error": { kind, field, message, found, wanted, mend } }`. */
export function faultJson(fault: Fault): string {
  const { kind, field, summary, found, wanted, mend } = fault;
  return JSON.stringify({ error: { kind, field, message: summary, found, wanted, mend } });
}

/** JSON for a program to read, two spaces deep so that a person can as well. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export type Align = 'left' | 'right';

/** Columns padded to their widest cell, two spaces apart, header first. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  align: readonly Align[] = [],
): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, i) => (align[i] === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `5007887` as `5,007,887`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

const SHOW_CURSOR = '\x1b[?25h';
const INTERRUPTED = 130;

/** Runs long work; Ctrl-C meanwhile gives the terminal back, says what was kept, and ends the process. */
export async function interruptible<T>(kept: string, work: () => Promise<T>): Promise<T> {
  const stop = (): void => {
    process.stderr.write(`${process.stderr.isTTY ? `${SHOW_CURSOR}\n` : ''}interrupted: ${kept}\n`);
    process.exit(INTERRUPTED);
  };
  process.once('SIGINT', stop);
  try {
    return await work();
  } finally {
    process.off('SIGINT', stop);
  }
}
