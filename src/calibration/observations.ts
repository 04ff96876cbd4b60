/** What one pass over the data leaves behind: a few numbers a row, whatever the size of its context. */
import type { CandidateGroups } from './metrics/groups.js';
import type { Score } from '../model/energy.js';

/** The scores of one kind (readout energies, or logits). */
export interface ScoreTable {
  /** Each row's context with the B chunks of its batch. */
  readonly groups: CandidateGroups;
  /** By kind of negative: scores [n, count], row-major. */
  readonly negatives: ReadonlyMap<string, Float64Array>;
}

/** Observations of one part of the split, in batch order: rows i*B to (i+1)*B met the same B chunks. */
export interface Observations extends Readonly<Record<Score, ScoreTable>> {
  /** Row in the data, [n]. */
  readonly rows: Int32Array;
  /** Cluster of the split, [n]. */
  readonly clusters: Int32Array;
  /** Per-step energies of the expert's chunk, and their mean over its swap negatives; [n, H] each. */
  readonly ownSteps: Float64Array;
  readonly swapSteps: Float64Array;
  /** Share of the row's per-step values in the flat part of the readout, [n]. */
  readonly saturated: Float64Array;
  /** Swap negatives left out because they nearly equal the expert's chunk. */
  readonly leftOut: number;
}

/** Energies over pushes along two action dims, around one expert chunk. */
export interface Landscape {
  readonly row: number;
  /** The two action dims and the pushes, in action units. */
  readonly dims: readonly [number, number];
  readonly pushes: readonly number[];
  /** E[y * pushes.length + x]: pushed by pushes[x] along dims[0] and pushes[y] along dims[1]. */
  readonly energies: readonly number[];
}
