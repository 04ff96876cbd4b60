/**
 * Population stability index: sum over bins of (q - p) ln(q / p), p the reference shares and q the live ones. Usual
 * reading: below 0.1 no shift worth a look, 0.1 to 0.25 some, above 0.25 the inputs are not what was calibrated on.
 */
import { quantile } from './order.js';

/** Bins of the reference, of equal share. */
const BINS = 10;
/** An empty bin counts as this share, so that the index stays finite. */
const FLOOR = 1e-4;

export interface DriftReference {
  /** Inner bin edges, ascending; bin i is (edges[i-1], edges[i]]. */
  readonly edges: readonly number[];
  /** Share of the reference in each bin, one more than edges. */
  readonly shares: readonly number[];
}

/** Deciles of the reference energies; equal deciles (a collapsed model) are merged. */
export function driftReference(energies: Float64Array): DriftReference {
  const sorted = energies.slice().sort();
  const edges = [...new Set(Array.from({ length: BINS - 1 }, (_, i) => quantile(sorted, (i + 1) / BINS)))];
  return { edges, shares: binShares(edges, energies) };
}

/** Share of the (weighted) energies in each bin. */
export function binShares(
  edges: readonly number[],
  energies: Float64Array,
  weights: Float64Array = new Float64Array(energies.length).fill(1),
): number[] {
  const mass = new Array<number>(edges.length + 1).fill(0);
  let total = 0;
  for (let i = 0; i < energies.length; i++) {
    let bin = 0;
    while (bin < edges.length && energies[i]! > edges[bin]!) bin++;
    mass[bin]! += weights[i]!;
    total += weights[i]!;
  }
  return mass.map((share) => share / total);
}

export function populationStabilityIndex(reference: DriftReference, shares: readonly number[]): number {
  return reference.shares.reduce((sum, share, bin) => {
    const p = Math.max(share, FLOOR);
    const q = Math.max(shares[bin]!, FLOOR);
    return sum + (q - p) * Math.log(q / p);
  }, 0);
}
