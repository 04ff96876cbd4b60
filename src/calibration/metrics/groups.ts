/**
 * Candidate groups: row i holds the scores of one context with `width` action chunks, one of them the expert's.
 * A chunk that nearly equals the expert's (a false negative) is not usable and takes no part.
 */
export interface CandidateGroups {
  readonly rows: number; // n
  readonly width: number; // B
  /** Lower is better; [n, B] row-major. */
  readonly scores: Float64Array;
  /** Column of the expert's chunk by row, [n]. */
  readonly own: Int32Array;
  /** 1: takes part (always so for the expert's), 0: left out; [n, B]. */
  readonly usable: Uint8Array;
}

/** The groups of some rows, copied. */
export function selectGroups(groups: CandidateGroups, rows: Int32Array): CandidateGroups {
  const { width } = groups;
  const scores = new Float64Array(rows.length * width);
  const usable = new Uint8Array(rows.length * width);
  const own = new Int32Array(rows.length);
  for (const [to, from] of rows.entries()) {
    scores.set(groups.scores.subarray(from * width, (from + 1) * width), to * width);
    usable.set(groups.usable.subarray(from * width, (from + 1) * width), to * width);
    own[to] = groups.own[from]!;
  }
  return { rows: rows.length, width, scores, own, usable };
}

/** Scores of the experts' chunks, [n]. */
export function ownScores({ rows, width, scores, own }: CandidateGroups): Float64Array {
  const out = new Float64Array(rows);
  for (let row = 0; row < rows; row++) out[row] = scores[row * width + own[row]!]!;
  return out;
}

/** Scores of the swap negatives, [n, B]; NaN where a column is the expert's or left out. */
export function swapScores({ rows, width, scores, own, usable }: CandidateGroups): Float64Array {
  const out = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      out[at] = column === own[row] || !usable[at] ? NaN : scores[at]!;
    }
  }
  return out;
}
