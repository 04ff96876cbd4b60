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
