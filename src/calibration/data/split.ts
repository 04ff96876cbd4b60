/**
 * The split into a part that is fitted on and a part that is reported on. Neighbouring steps of one episode look alike;
 * with one on each side the report would praise the fit for what it has seen. So whole episodes move, never rows; without
 * episode ids whole tasks; without those, contiguous blocks, where only rows at a seam are neighbours.
 */
import { Fault } from '../../errors.js';
import { seededRandom, shuffle } from '../../random.js';

export type SplitUnit = 'episode' | 'task' | 'block';

export interface Split {
  /** What was kept whole. */
  readonly by: SplitUnit;
  /** Cluster of each row, [M]: its episode, task or block, numbered from 0. Also the clusters of the intervals. */
  readonly clusters: Int32Array;
  readonly clusterCount: number;
  /** Row indices, ascending. */
  readonly fit: Int32Array;
  readonly heldOut: Int32Array;
}

export interface SplitKeys {
  readonly rows: number; // M
  /** Ids [M]; any numbers. */
  readonly episode?: Float64Array | undefined;
  readonly task?: Float64Array | undefined;
}

/** Blocks made where neither episodes nor tasks are known. */
const BLOCKS = 20;
const FIT_SHARE = 0.5;

/** What is kept whole, and by row the number of its episode, task or block. */
export function clusterRows(keys: SplitKeys): Pick<Split, 'by' | 'clusters' | 'clusterCount'> {
  const { by, ids } = units(keys);
  const number = new Map<number, number>();
  const clusters = Int32Array.from(ids, (id) => {
    const known = number.get(id);
    if (known !== undefined) return known;
    number.set(id, number.size);
    return number.size - 1;
  });
  return { by, clusters, clusterCount: number.size };
}

/** Seeded. Errors: `invalid` when fewer than two clusters exist, so that no split is honest. */
export function splitRows(keys: SplitKeys, seed: number): Split {
  const { by, clusters, clusterCount } = clusterRows(keys);
  if (clusterCount < 2) {
    throw new Fault('invalid', `all rows belong to one ${by}`, {
      field: `${by === 'block' ? 'hidden' : `${by}_id`}`,
      found: `${keys.rows} rows in ${clusterCount} ${by}`,
      wanted: `rows of at least two, one to fit on and one to report on`,
      mend: 'Record more data, or leave the ids out to split by contiguous blocks.',
    });
  }
  const order = shuffle(
    Int32Array.from({ length: clusterCount }, (_, i) => i),
    seededRandom(seed, 'split'),
  );
  const size = new Int32Array(clusterCount);
  for (const cluster of clusters) size[cluster]! += 1;
  const inFit = new Uint8Array(clusterCount);
  let taken = 0;
  for (const [place, cluster] of order.entries()) {
    // the last cluster always stays held out; before it, whoever does not overshoot half by more than it fills
    const after = taken + size[cluster]! / 2;
    if (place > 0 && (place === order.length - 1 || after > FIT_SHARE * keys.rows)) continue;
    inFit[cluster] = 1;
    taken += size[cluster]!;
  }
  const rows = Int32Array.from({ length: keys.rows }, (_, i) => i);
  return {
    by,
    clusters,
    clusterCount,
    fit: rows.filter((row) => inFit[clusters[row]!] === 1),
    heldOut: rows.filter((row) => inFit[clusters[row]!] === 0),
  };
}

function units({ rows, episode, task }: SplitKeys): { by: SplitUnit; ids: ArrayLike<number> } {
  if (episode !== undefined) return { by: 'episode', ids: episode };
  if (task !== undefined && new Set(task).size > 1) return { by: 'task', ids: task };
  const blocks = Math.min(BLOCKS, rows);
  return { by: 'block', ids: Float64Array.from({ length: rows }, (_, i) => Math.floor((i * blocks) / rows)) };
}
