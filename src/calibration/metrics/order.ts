/** How differently two scores order the same chunks. */

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
