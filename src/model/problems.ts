/** Several things wrong at once, told at once: whoever mends a card or a checkpoint should need one round, not five. */
import { Fault, invalid, type FaultDetail } from '../errors.js';

export interface Problem extends Omit<FaultDetail, 'field' | 'cause' | 'retryAfterMs'> {
  readonly field: string;
  readonly summary: string;
}

/** More lines than this help nobody (a wrong file can hold thousands of unexpected keys); the rest is counted. */
const MAX_LISTED = 200;

/** One line: `field: summary; found ...; wanted .... mend`. */
export function problemLine({ field, summary, ...detail }: Problem): string {
  return new Fault('invalid', summary, { field, ...detail }).message;
}

/**
 * Throws one `invalid` fault that names every problem; returns when there is none. A single problem keeps its own field,
 * found, wanted and mend; several become the lines of one summary under `field` (a file or directory).
 */
export function refuse(field: string, problems: readonly Problem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  if (problems.length === 1) {
    const { field: at, summary, ...detail } = first;
    throw invalid(at, summary, detail);
  }
  const lines = problems.slice(0, MAX_LISTED).map((problem) => `  - ${problemLine(problem)}`);
  if (problems.length > MAX_LISTED) lines.push(`  - and ${problems.length - MAX_LISTED} more`);
  throw invalid(field, `${problems.length} problems:\n${lines.join('\n')}`);
}
