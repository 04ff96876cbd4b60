/**
 * Percentile bootstrap (Efron 1979) over clusters: whole episodes are drawn with replacement, because rows of one
 * episode resemble each other and drawing rows alone would claim too narrow an interval (Field and Welsh 2007).
 * A resample is a vector of row weights, so every statistic here is written once, as a weighted one.
 */
import { seededRandom } from '../../random.js';

/** A statistic with its 95 percent bootstrap interval. */
export interface Figure {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Row weights [n] (all 1: the data themselves) to one or more values. A value that is not defined is NaN. */
export type Statistic = (weights: Float64Array) => readonly number[];

export interface BootstrapOptions {
  readonly replicates: number;
  readonly seed: number;
}

/** Two-sided mass outside an interval. */
const ALPHA = 0.05;

/**
 * Value and interval of each statistic; all statistics see the same resamples, so differences are paired.
 * `clusters` [n] gives each row's cluster. NaN replicates are left out of the interval; with none left, or no
 * replicates asked, the interval is the value itself.
 */
export function bootstrap<K extends string>(
  clusters: Int32Array,
  statistics: Readonly<Record<K, Statistic>>,
  { replicates, seed }: BootstrapOptions,
): Record<K, Figure[]> {
  const names = Object.keys(statistics) as K[];
  const weights = new Float64Array(clusters.length).fill(1);
  const values = new Map(names.map((name) => [name, statistics[name](weights)]));
  const samples = new Map(names.map((name) => [name, values.get(name)!.map((): number[] => [])]));
  const ids = [...new Set(clusters)];
  const position = new Map(ids.map((id, index) => [id, index]));
  const clusterOf = Int32Array.from(clusters, (id) => position.get(id)!);
  const random = seededRandom(seed, 'bootstrap');
  const drawn = new Float64Array(ids.length);
  for (let replicate = 0; replicate < replicates; replicate++) {
    drawn.fill(0);
    for (let i = 0; i < ids.length; i++) drawn[random.below(ids.length)]! += 1;
    for (let row = 0; row < weights.length; row++) weights[row] = drawn[clusterOf[row]!]!;
    for (const name of names) {
      const lists = samples.get(name)!;
      for (const [index, value] of statistics[name](weights).entries()) {
        if (!Number.isNaN(value)) lists[index]!.push(value);
      }
    }
  }
  const figures = names.map((name): [K, Figure[]] => [
    name,
    values.get(name)!.map((value, index) => interval(value, samples.get(name)![index]!)),
  ]);
  return Object.fromEntries(figures) as Record<K, Figure[]>;
}

function interval(value: number, replicates: number[]): Figure {
  if (replicates.length === 0) return { value, low: value, high: value };
  const sorted = Float64Array.from(replicates).sort();
  return { value, low: quantile(sorted, ALPHA / 2), high: quantile(sorted, 1 - ALPHA / 2) };
}

/** Linear interpolation between order statistics (NumPy's default, type 7 of Hyndman and Fan). NaN when empty. */
export function quantile(sorted: Float64Array, level: number): number {
  if (sorted.length === 0) return NaN;
  const place = level * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}
