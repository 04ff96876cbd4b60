/** "Did you mean": the nearest known name to an unknown one. */

/** Longest name that is compared letter by letter; beyond it only a shared ending counts. */
const MAX_COMPARED = 128;

/**
 * The candidate that `name` most likely stands for: one that it ends with after a dot (a prefixed key), or one within an
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
