/**
 * Separate modes among a policy's samples: left or right around an obstacle, grasp or push. A mean over two modes is a chunk
 * that the policy would never do, so averages keep to one.
 *
 * Criterion: the minimum spanning tree of the samples is cut at its inconsistent edges, those longer than twice the median
 * edge (C. T. Zahn, Graph-theoretical methods for detecting and describing gestalt clusters, IEEE Trans. Computers C-20,
 * 1971, with the factor 2 that he recommends). It errs towards cutting: what a cut too many costs is a mean over fewer
 * samples, what one too few costs is a chunk between two ways.
 */
import type { Distances } from './candidates.js';

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
  const { references, continuous } = distances;
  const tree = spanningTree(distances);
  const lengths = tree.map(({ length }) => length).sort((a, b) => a - b);
  const limit = candidates < FEWEST ? 0 : INCONSISTENT * lengths[(lengths.length - 1) >> 1]!;
  const kept = tree.filter(({ length }) => length <= limit);
  const reach = kept.reduce((most, { length }) => Math.max(most, length), 0);
  const ofReference = components(references.length, kept);
  const of = Int32Array.from({ length: candidates }, (_, i) => {
    let nearest = 0;
    for (let r = 1; r < references.length; r++) {
      if (continuous[i * references.length + r]! < continuous[i * references.length + nearest]!) nearest = r;
    }
    return ofReference[nearest]!;
  });
  for (const [r, candidate] of references.entries()) of[candidate] = ofReference[r]!;
  const numbers = new Map<number, number>();
  for (const mode of of) if (!numbers.has(mode)) numbers.set(mode, numbers.size);
  return { count: numbers.size, of: of.map((mode) => numbers.get(mode)!), reach };
}

/** Prim's algorithm over the references, R^2. */
function spanningTree({ references, continuous }: Distances): Edge[] {
  const size = references.length;
  const between = (a: number, b: number): number => continuous[references[a]! * size + b]!;
  const edges: Edge[] = [];
  const nearest = new Int32Array(size); // in the tree, for each outside it
  const inTree = new Uint8Array(size);
  inTree[0] = 1;
  while (edges.length < size - 1) {
    let to = -1;
    for (let r = 1; r < size; r++) {
      if (inTree[r] === 0 && (to < 0 || between(nearest[r]!, r) < between(nearest[to]!, to))) to = r;
    }
    edges.push({ from: nearest[to]!, to, length: between(nearest[to]!, to) });
    inTree[to] = 1;
    for (let r = 1; r < size; r++) if (between(to, r) < between(nearest[r]!, r)) nearest[r] = to;
  }
  return edges;
}

/** Component of each of `size` nodes. Edges come in the order of the tree, so `from` has its component before `to`. */
function components(size: number, kept: readonly Edge[]): Int32Array {
  const of = Int32Array.from({ length: size }, (_, node) => node);
  for (const { from, to } of kept) of[to] = of[from]!;
  return of;
}
