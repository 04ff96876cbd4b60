/**
 * Swap InfoNCE over candidate groups (van den Oord et al. 2018): p_j = softmax(-s_j / tau) over the usable chunks of a
 * row, loss = mean of -log p_own. Chance is the mean of log(usable chunks), log B when none is left out.
 */
import { infonceRow } from '../../energy/infonce-row.js';
import type { CandidateGroups } from './groups.js';

/** NaN throughout for a row whose negatives are all left out: it has nothing to tell. */
export interface RowOutcome {
  /** -log p_own, nats; [n]. */
  readonly loss: Float64Array;
  /** log of the number of usable chunks, the loss of a model without preference; [n]. */
  readonly chance: Float64Array;
  /** Largest probability of the row; [n]. */
  readonly confidence: Float64Array;
  /** 1 when the expert's chunk has it (a tie of k chunks counts 1/k); [n]. */
  readonly correct: Float64Array;
}

export function infonceRows(groups: CandidateGroups, tau: number): RowOutcome {
  const { rows, width, scores, own, usable } = groups;
  const out = {
    loss: new Float64Array(rows),
    chance: new Float64Array(rows),
    confidence: new Float64Array(rows),
    correct: new Float64Array(rows),
  };
  for (let row = 0; row < rows; row++) {
    const base = row * width;
    const { loss, count, confidence, wonByLot } = infonceRow(scores, base, width, own[row]!, tau, usable);
    if (count < 2) {
      for (const column of Object.values(out)) column[row] = NaN;
      continue;
    }
    out.loss[row] = loss;
    out.chance[row] = Math.log(count);
    out.confidence[row] = confidence;
    out.correct[row] = wonByLot;
  }
  return out;
}

/** Rank of the expert's chunk among the usable ones, 1 is best; ties share their mean rank; NaN without any negative. [n] */
export function expertRanks(groups: CandidateGroups): Float64Array {
  const { rows, width, scores, own, usable } = groups;
  const ranks = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const base = row * width;
    const expert = scores[base + own[row]!]!;
    let lower = 0;
    let equal = 0;
    let others = 0;
    for (let j = 0; j < width; j++) {
      if (!usable[base + j] || j === own[row]) continue;
      others++;
      if (scores[base + j]! < expert) lower++;
      else if (scores[base + j] === expert) equal++;
    }
    ranks[row] = others > 0 ? 1 + lower + equal / 2 : NaN;
  }
  return ranks;
}

/** 1 where the expert's chunk is among the `places` lowest, else 0; NaN where it has no rank. [n] */
export function rankedWithin(ranks: Float64Array, places: number): Float64Array {
  return ranks.map((rank) => (Number.isNaN(rank) ? NaN : Number(rank <= places)));
}
