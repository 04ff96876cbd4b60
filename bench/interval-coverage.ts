/** How often 95 percent intervals hold the truth: seeded populations of episodes with effects of their own, unequal in length. */
import { aurocStatistic, winRates } from '../src/calibration/metrics/auroc.js';
import { binShares, driftReference, populationStabilityIndex } from '../src/calibration/metrics/drift.js';
import {
  intervals,
  positive,
  real,
  share,
  squared,
  type Statistic,
} from '../src/calibration/metrics/intervals.js';
import { weightedMean } from '../src/calibration/metrics/weighted.js';
import { seededRandom, type Random } from '../src/random.js';

interface Sample {
  readonly clusters: Int32Array;
  readonly statistic: Statistic;
}

export interface CoverageCase {
  readonly name: string;
  readonly sample: (episodes: number, random: Random) => Sample;
  /** Truth where it is known exactly; otherwise that of a large sample. */
  readonly truth?: number;
}

const NEGATIVES = 8;
const [FEWEST_ROWS, MOST_ROWS] = [5, 25];

/** Rows of `episodes` episodes; `draw` gets the episode's own effect, standard normal. */
function rows(
  episodes: number,
  random: Random,
  draw: (effect: number) => readonly number[],
): { clusters: Int32Array; values: Float64Array } {
  const clusters: number[] = [];
  const values: number[] = [];
  for (let episode = 0; episode < episodes; episode++) {
    const effect = random.normal();
    const count = FEWEST_ROWS + random.below(MOST_ROWS - FEWEST_ROWS + 1);
    for (let i = 0; i < count; i++) {
      clusters.push(episode);
      values.push(...draw(effect));
    }
  }
  return { clusters: Int32Array.from(clusters), values: Float64Array.from(values) };
}

function meanCase(
  name: string,
  scale: (values: (weights: Float64Array) => readonly number[]) => Statistic,
  draw: (effect: number, random: Random) => number,
  truth?: number,
): CoverageCase {
  return {
    name,
    sample: (episodes, random) => {
      const { clusters, values } = rows(episodes, random, (effect) => [draw(effect, random)]);
      return { clusters, statistic: scale((weights) => [weightedMean(values, weights)]) };
    },
    ...(truth === undefined ? {} : { truth }),
  };
}

function shareCase(name: string, logOdds: number): CoverageCase {
  const chance = (effect: number): number => 1 / (1 + Math.exp(-logOdds - effect));
  return meanCase(name, share, (effect, random) => (random.uniform() < chance(effect) ? 1 : 0));
}

/** An expert beside `NEGATIVES` others of one episode, a standard deviation higher on average. */
function rankingCase(
  name: string,
  statistic: (own: Float64Array, others: Float64Array) => Statistic['values'],
): CoverageCase {
  return {
    name,
    sample: (episodes, random) => {
      const { clusters, values } = rows(episodes, random, (effect) =>
        Array.from({ length: 1 + NEGATIVES }, (_, i) => effect / 2 + random.normal() + (i > 0 ? 1 : 0)),
      );
      const own = values.filter((_, i) => i % (1 + NEGATIVES) === 0);
      const others = values.filter((_, i) => i % (1 + NEGATIVES) > 0);
      return { clusters, statistic: share(statistic(own, others)) };
    },
  };
}

/** Against a reference of as many episodes; without a shift the truth is 0, which plain PSI never says. */
function driftCase(name: string, shift: number): CoverageCase {
  const draw = (random: Random, by: number) => (effect: number) => [by + effect / 2 + random.normal()];
  return {
    name,
    sample: (episodes, random) => {
      const reference = rows(episodes, random, draw(random, 0)).values;
      const live = rows(episodes, random, draw(random, shift));
      const fitted = driftReference(reference);
      return {
        clusters: live.clusters,
        statistic: squared(
          (weights) => [populationStabilityIndex(fitted, binShares(fitted.edges, live.values, weights))],
          1 + live.values.length / reference.length,
        ),
      };
    },
    ...(shift === 0 ? { truth: 0 } : {}),
  };
}

export const COVERAGE_CASES: readonly CoverageCase[] = [
  meanCase('mean of energies', real, (effect, random) => 0.6 * effect + random.normal(), 0),
  meanCase('loss (positive, skewed)', positive, (effect, random) =>
    Math.exp(0.4 * effect + 0.7 * random.normal() - 1),
  ),
  shareCase('share near 0.5', 0),
  shareCase('share near 0.85', 2),
  shareCase('share near 0.97', 4),
  shareCase('share near 0.996', 6),
  rankingCase('AUROC', aurocStatistic),
  rankingCase('win rate', (own, others) => {
    const rates = winRates(own, others);
    return (weights) => [weightedMean(rates, weights)];
  }),
  driftCase('PSI without a shift', 0),
  driftCase('PSI with a shift', 0.6),
];

const LARGE = 20_000;

/** Share of `trials` samples of `episodes` episodes whose interval holds the truth, and the intervals' mean width. */
export function coverage(
  { sample, truth }: CoverageCase,
  episodes: number,
  trials: number,
  seed: number,
): { coverage: number; width: number } {
  const random = seededRandom(seed, `coverage ${episodes}`);
  const known = truth ?? largeSampleValue(sample, seed);
  let held = 0;
  let width = 0;
  for (let trial = 0; trial < trials; trial++) {
    const { clusters, statistic } = sample(episodes, random);
    const [figure] = intervals(clusters, { figure: statistic }).figure;
    if (figure!.low <= known && known <= figure!.high) held++;
    width += (figure!.high - figure!.low) / trials;
  }
  return { coverage: held / trials, width };
}

function largeSampleValue(sample: CoverageCase['sample'], seed: number): number {
  const { clusters, statistic } = sample(LARGE, seededRandom(seed, 'truth'));
  return statistic.values(new Float64Array(clusters.length).fill(1))[0]!;
}
