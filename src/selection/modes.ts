/**
 * Separate modes among a policy's samples: left or right around an obstacle, grasp or push. A mean over two modes is a chunk
 * that the policy would never do, so averages keep to one.
 *
 * Criterion: the minimum spanning tree of the samples is cut at its inconsistent edges, those longer than twice the median
 * edge (C. T. Zahn, Graph-theoretical methods for detecting and describing gestalt clusters, IEEE Trans. Computers C-20,
 * 1971, with the factor 2 that he recommends). It errs towards cutting: what a cut too many costs is a mean over fewer
 * samples, what one too few costs is a chunk between two ways.
 */
import type { Distances } from './distances.js';

const INCONSISTENT = 2;
/** Two samples do not show what lies near: each is a mode of its own, unless they are equal. */
const FEWEST = 3;

export interface Modes {
  /** At least 1. */
  readonly count: number;
  /** Mode of each candidate, [N], below `count`; numbered by the first candidate in each. */
  readonly of: Int32Array;
  /** The longest edge that was kept: how far neighbours inside a mode may lie apart. */
  readonly reach: number;
}

interface Edge {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

export function findModes(distances: Distances, candidates: number): Modes {
  const { references } = distances;
  const tree = spanningTree(distances);
  const lengths = tree.map(({ length }) => length).sort((a, b) => a - b);
  const limit = candidates < FEWEST ? 0 : INCONSISTENT * lengths[(lengths.length - 1) >> 1]!;
  const kept = tree.filter(({ length }) => length <= limit);
  const reach = kept.reduce((most, { length }) => Math.max(most, length), 0);
  const ofReference = components(references.length, kept);
  const isReference = references.length === candidates;
  const of = isReference
    ? ofReference
    : Int32Array.from({ length: candidates }, (_, i) => ofReference[nearestReference(distances, i)]!);
  for (const [r, candidate] of references.entries()) of[candidate] = ofReference[r]!;
  const numbers = new Map<number, number>();
  for (const mode of of) if (!numbers.has(mode)) numbers.set(mode, numbers.size);
  return { count: numbers.size, of: of.map((mode) => numbers.get(mode)!), reach };
}

function nearestReference({ references, continuous }: Distances, candidate: number): number {
  const row = candidate * references.length;
  let nearest = 0;
  for (let r = 1; r < references.length; r++) {
    if (continuous[row + r]! < continuous[row + nearest]!) nearest = r;
  }
  return nearest;
}

/** Prim's algorithm over the references, R^2. */
function spanningTree({ references, continuous }: Distances): Edge[] {
  const size = references.length;
  const edges: Edge[] = [];
  // of each outside the tree: its nearest one inside, and how far that is
  const nearest = new Int32Array(size);
  const length = new Float64Array(size).fill(Infinity);
  const inTree = new Uint8Array(size);
  for (let added = 0; ;) {
    inTree[added] = 1;
    const row = references[added]! * size;
    let next = -1;
    for (let r = 0; r < size; r++) {
      if (inTree[r] === 1) continue;
      const between = continuous[row + r]!;
      if (between < length[r]!) {
        nearest[r] = added;
        length[r] = between;
      }
      if (next < 0 || length[r]! < length[next]!) next = r;
    }
    if (next < 0) return edges;
    edges.push({ from: nearest[next]!, to: next, length: length[next]! });
    added = next;
  }
}

/** Component of each of `size` nodes. Edges come in the order of the tree, so `from` has its component before `to`. */
function components(size: number, kept: readonly Edge[]): Int32Array {
  const of = Int32Array.from({ length: size }, (_, node) => node);
  for (const { from, to } of kept) of[to] = of[from]!;
  return of;
}
