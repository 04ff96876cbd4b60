/** How the energy stands to each kind of wrong chunk. */
import type { Score } from '../../model/energy.js';
import type { NegativePlan } from '../data/negatives.js';
import { aurocStatistic, winRates } from '../metrics/auroc.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { intervals, real, share } from '../metrics/intervals.js';
import { meanOf, weightedMean } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { reportFigure } from './figure.js';
import type { NegativeReport } from './report-schema.js';

export function negativeReports(
  observations: Observations,
  better: Score,
  plan: NegativePlan,
): NegativeReport[] {
  const { groups, negatives } = observations[better];
  const own = ownScores(groups);
  const kinds = [
    { name: 'swap', meaning: "another context's expert chunk", scores: swapScores(groups) },
    ...plan.kinds.map(({ name, meaning }) => ({ name, meaning, scores: negatives.get(name)! })),
  ];
  return kinds.map(({ name, meaning, scores }) => {
    const rowMeans = weightedRowMeans(scores, own.length);
    const figures = intervals(observations.clusters, {
      energy: real(meanOf(rowMeans)),
      auroc: share(aurocStatistic(own, scores)),
      wins: share(meanOf(winRates(own, scores))),
    });
    return {
      name,
      meaning,
      energy: reportFigure(figures.energy[0]!),
      auroc: reportFigure(figures.auroc[0]!),
      win_rate: reportFigure(figures.wins[0]!),
    };
  });
}

function weightedRowMeans(values: Float64Array, rows: number): Float64Array {
  const width = values.length / rows;
  const ones = new Float64Array(width).fill(1);
  return Float64Array.from({ length: rows }, (_, row) =>
    weightedMean(values.subarray(row * width, (row + 1) * width), ones),
  );
}
