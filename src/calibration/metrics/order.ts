/** Order statistics: quantiles, ranks, and how two scores order the same chunks. */

/** Linear interpolation between order statistics (NumPy's default, type 7 of Hyndman and Fan). NaN when empty. */
export function quantile(sorted: Float64Array, level: number): number {
  if (sorted.length === 0) return NaN;
  const place = level * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}

/**
 * Share of the pairs of each row that `a` and `b` [n, width] order differently, [n]: 0 the same order, 1 the reverse, 0.5 orders
 * that have nothing to do with each other. A tie in one alone counts. Pairs are of usable entries (1); NaN for a row without.
 */
export function changedOrder(
  a: Float64Array,
  b: Float64Array,
  width: number,
  usable?: Uint8Array,
): Float64Array {
  return Float64Array.from({ length: a.length / width }, (_, row) => {
    let [changed, pairs] = [0, 0];
    for (let i = row * width; i < (row + 1) * width; i++) {
      if (usable?.[i] === 0) continue;
      for (let j = row * width; j < i; j++) {
        if (usable?.[j] === 0) continue;
        pairs++;
        if (Math.sign(a[i]! - a[j]!) !== Math.sign(b[i]! - b[j]!)) changed++;
      }
    }
    return pairs === 0 ? NaN : changed / pairs;
  });
}

/** Ranks from 1; ties share their mean. */
export function meanRanks(values: Float64Array): Float64Array {
  const order = Int32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) ranks[order[i]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/** Spearman's correlation; NaN where either does not vary. */
export function rankCorrelation(a: Float64Array, b: Float64Array): number {
  const [ranksA, ranksB] = [meanRanks(a), meanRanks(b)];
  const middle = (a.length + 1) / 2;
  let [both, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    both += (ranksA[i]! - middle) * (ranksB[i]! - middle);
    ofA += (ranksA[i]! - middle) ** 2;
    ofB += (ranksB[i]! - middle) ** 2;
  }
  return both / Math.sqrt(ofA * ofB);
}

/**
 * Spearman's rank correlation of energy and noise size, [n]. Row i holds the energies of one chunk at growing noise, sigma_0 = 0 <
 * sigma_1 < ...; a row of equal energies has none: 0.
 */
export function noiseCorrelations(energies: Float64Array, levels: number): Float64Array {
  const rows = energies.length / levels;
  const out = new Float64Array(rows);
  const middle = (levels + 1) / 2;
  for (let row = 0; row < rows; row++) {
    const ranks = meanRanks(energies.subarray(row * levels, (row + 1) * levels));
    let covariance = 0;
    let variance = 0;
    let reference = 0;
    for (let level = 0; level < levels; level++) {
      covariance += (ranks[level]! - middle) * (level + 1 - middle);
      variance += (ranks[level]! - middle) ** 2;
      reference += (level + 1 - middle) ** 2;
    }
    out[row] = variance > 0 ? covariance / Math.sqrt(variance * reference) : 0;
  }
  return out;
}

/** Share of neighbouring noise sizes at which the energy fails to rise, by row of the same form, [n]. */
export function monotonicityViolations(energies: Float64Array, levels: number): Float64Array {
  const rows = energies.length / levels;
  const out = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let level = 1; level < levels; level++) {
      if (energies[row * levels + level]! <= energies[row * levels + level - 1]!)
        out[row]! += 1 / (levels - 1);
    }
  }
  return out;
}
