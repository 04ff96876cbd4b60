/**
 * 95 percent intervals that hold for few and for dependent rows. The unit is the episode (a cluster): rows of one episode
 * resemble each other. A statistic is a function of row weights, so leaving out a cluster is setting its weights to 0.
 *
 *   real    jackknife over G clusters (Efron and Stein 1981), t with G - 1 degrees of freedom:
 *           var = (G-1)/G sum_g (x_(g) - mean x_(g))^2, for a mean the cluster-robust variance CR3
 *   correlation  the same, cut to [-1, 1], where the truth lies
 *   share   a number in [0, 1]: Clopper and Pearson's interval at the effective number of rows that the jackknife variance
 *           tells, p(1-p)/var, corrected for the degrees of freedom (Korn and Graubard 1998). Never of width 0: at 0 or 1,
 *           where no variance is seen, each cluster counts once.
 *   positive  the jackknife of the logarithm
 *   squared   a sum of squares that chance alone makes positive (PSI): the jackknife's bias taken away, the upper end
 *             wide enough for its skew
 *
 * G - 1 stands for the effective number of clusters less 1, (sum m_g)^2 / sum m_g^2 - 1 for clusters of m_g rows: few long
 * episodes among many short ones tell less than their number (Carter, Schnepel and Steigerwald 2017).
 *
 * No random numbers: the same rows give the same interval. `npm run bench:intervals` measures the coverage.
 */
import { betaQuantile, studentQuantile } from './distributions.js';

/** A statistic with its 95 percent interval; NaN where it is not defined. */
export interface Figure {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Row weights [n] (all 1: the data themselves) to one or more values. A value that is not defined is NaN. */
export type WeightedValues = (weights: Float64Array) => readonly number[];

export type Scale = 'real' | 'correlation' | 'share' | 'positive' | 'squared';

export interface Statistic {
  readonly scale: Scale;
  readonly values: WeightedValues;
  /** Multiplies variance and bias: 1 + n/m where the n rows are compared with m other ones that are as uncertain. */
  readonly inflation?: number;
}

/** Two-sided mass outside an interval. */
const ALPHA = 0.05;
/** More clusters than this are put together into so many: the interval hardly changes, the work does. */
const MOST_CLUSTERS = 200;

export function real(values: WeightedValues): Statistic {
  return { scale: 'real', values };
}

export function correlation(values: WeightedValues): Statistic {
  return { scale: 'correlation', values };
}

export function share(values: WeightedValues): Statistic {
  return { scale: 'share', values };
}

export function positive(values: WeightedValues): Statistic {
  return { scale: 'positive', values };
}

export function squared(values: WeightedValues, inflation = 1): Statistic {
  return { scale: 'squared', values, inflation };
}

/** Value and interval of each statistic. `clusters` [n] gives each row's cluster. With one cluster there is no interval: NaN. */
export function intervals<K extends string>(
  clusters: Int32Array,
  statistics: Readonly<Record<K, Statistic>>,
): Record<K, Figure[]> {
  const { clusterOf, count, degrees } = numbered(clusters);
  const names = Object.keys(statistics) as K[];
  const weights = new Float64Array(clusters.length).fill(1);
  const whole = new Map(names.map((name) => [name, statistics[name].values(weights)]));
  const without = new Map(names.map((name) => [name, whole.get(name)!.map((): number[] => [])]));
  for (let left = 0; left < count && count > 1; left++) {
    for (let row = 0; row < weights.length; row++) weights[row] = clusterOf[row] === left ? 0 : 1;
    for (const name of names) {
      const lists = without.get(name)!;
      for (const [index, value] of statistics[name].values(weights).entries()) lists[index]!.push(value);
    }
  }
  const figures = names.map((name): [K, Figure[]] => [
    name,
    whole
      .get(name)!
      .map((value, index) => figureOf(value, without.get(name)![index]!, degrees, statistics[name])),
  ]);
  return Object.fromEntries(figures) as Record<K, Figure[]>;
}

/** Clusters numbered from 0 by first appearance, at most `MOST_CLUSTERS` of them, and their effective number less 1. */
function numbered(clusters: Int32Array): { clusterOf: Int32Array; count: number; degrees: number } {
  const number = new Map<number, number>();
  for (const id of clusters) if (!number.has(id)) number.set(id, number.size % MOST_CLUSTERS);
  const clusterOf = clusters.map((id) => number.get(id)!);
  const count = Math.min(number.size, MOST_CLUSTERS);
  const sizes = new Float64Array(count);
  for (const cluster of clusterOf) sizes[cluster]! += 1;
  const squares = sizes.reduce((sum, size) => sum + size * size, 0);
  return { clusterOf, count, degrees: clusters.length ** 2 / squares - 1 };
}

/** `without` holds the value without each cluster; NaN (nothing left of what it needs) takes no part. */
function figureOf(
  value: number,
  without: readonly number[],
  degrees: number,
  { scale, inflation = 1 }: Statistic,
): Figure {
  const unknown = { value, low: NaN, high: NaN };
  if (Number.isNaN(value) || without.filter(Number.isFinite).length < 2) return unknown;
  // a jackknife of what is skewed is itself uncertain: half the degrees, by the coverage measured
  const known = scale === 'squared' || scale === 'positive' ? Math.max(1, degrees / 2) : degrees;
  const half = ({ variance }: Jackknife): number =>
    studentQuantile(1 - ALPHA / 2, known) * Math.sqrt(inflation * variance);
  // a loss of exactly 0 has no logarithm
  switch (scale === 'positive' && !(value > 0) ? 'real' : scale) {
    case 'real': {
      const width = half(jackknife(without));
      return { value, low: value - width, high: value + width };
    }
    case 'correlation': {
      const width = half(jackknife(without));
      return { value, low: Math.max(-1, value - width), high: Math.min(1, value + width) };
    }
    case 'positive': {
      const factor = Math.exp(half(jackknife(without.map(Math.log))));
      return { value, low: value / factor, high: value * factor };
    }
    case 'share': {
      const { variance, clusters } = jackknife(without);
      return { value, ...clopperPearson(value, effectiveSize(value, variance, clusters, degrees)) };
    }
    case 'squared': {
      const spread = jackknife(without);
      const bias = inflation * (spread.clusters - 1) * (spread.mean - value);
      const corrected = Math.max(0, value - bias);
      const width = half(spread);
      // skewed to the right: the upper end is the farthest of three, as is, on the square root, and without the correction
      const upper = (Math.sqrt(corrected) + half(jackknife(without.map(Math.sqrt)))) ** 2;
      return {
        value: corrected,
        low: Math.max(0, corrected - width),
        high: Math.max(corrected + width, upper, value),
      };
    }
  }
}

interface Jackknife {
  readonly mean: number;
  readonly variance: number;
  /** G: clusters whose absence leaves the statistic defined. */
  readonly clusters: number;
}

function jackknife(without: readonly number[]): Jackknife {
  const values = without.filter(Number.isFinite);
  const clusters = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / clusters;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: ((clusters - 1) / clusters) * squares, clusters };
}

/**
 * Independent rows that would tell a share as well as these clusters do (Korn and Graubard 1998): p(1-p)/var, times
 * (z / t)^2 for a variance known with few degrees of freedom only. Without any variance to see, the clusters themselves.
 */
export function effectiveSize(value: number, variance: number, clusters: number, degrees: number): number {
  const inside = value * (1 - value);
  if (!(inside > 0) || !(variance > 0)) return clusters;
  const correction = (NORMAL / studentQuantile(1 - ALPHA / 2, degrees)) ** 2;
  return Math.max((correction * inside) / variance, 1);
}

/** The normal distribution's 0.975 quantile. */
const NORMAL = 1.959963984540054;

/** Clopper and Pearson (1934), of a share among `size` independent rows, which need not be whole. */
export function clopperPearson(value: number, size: number): { low: number; high: number } {
  const hits = value * size;
  return {
    low: hits > 0 ? betaQuantile(ALPHA / 2, hits, size - hits + 1) : 0,
    high: hits < size ? betaQuantile(1 - ALPHA / 2, hits + 1, size - hits) : 1,
  };
}
