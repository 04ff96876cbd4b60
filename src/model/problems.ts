/** Several things wrong at once, told at once, with what was meant: whoever mends a card or a checkpoint should need one round, not five. */
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

/** Longest name that is compared letter by letter; beyond it only a shared ending counts. */
const MAX_COMPARED = 128;

/**
 * "Did you mean": the candidate that `name` most likely stands for: one that it ends with after a dot (a prefixed key), or one within an
 * edit distance of a quarter of its length. Nothing near: undefined.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.floor(name.length / 4) + 1;
  for (const candidate of candidates) {
    if (name.endsWith(`.${candidate}`) || candidate.endsWith(`.${name}`)) return candidate;
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    if (name.length > MAX_COMPARED || candidate.length > MAX_COMPARED) continue;
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance in O(|a| |b|) time and O(|b|) memory. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
