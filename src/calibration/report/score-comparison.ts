/** Readout against logit, each at its own temperature. */
import type { Score } from '../../model/energy.js';
import type { Fit } from '../fit/fit-calibration.js';
import { aurocStatistic } from '../metrics/auroc.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { expertRanks, infonceRows, rankedWithin } from '../metrics/infonce.js';
import { intervals, positive, real, share, type Statistic } from '../metrics/intervals.js';
import { expectedCalibrationError } from '../metrics/reliability.js';
import { meanOf } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { reportFigure, type ReportFigure } from './figure.js';
import type { Report } from './report-schema.js';

export function compareScores(observations: Observations, { scores }: Fit): Report['scores'] {
  const statistics = (score: Score): { loss: Float64Array; all: Record<string, Statistic> } => {
    const { groups } = observations[score];
    const rows = infonceRows(groups, scores[score].temperature.tau);
    const ranks = expertRanks(groups);
    return {
      loss: rows.loss,
      all: {
        loss: positive(meanOf(rows.loss)),
        top1: share(meanOf(rankedWithin(ranks, 1))),
        ece: share((w) => [expectedCalibrationError(rows.confidence, rows.correct, w)]),
        swap_auroc: share(aurocStatistic(ownScores(groups), swapScores(groups))),
      },
    };
  };
  const readout = statistics('readout');
  const logit = statistics('logit');
  const compared = (score: Score, all: Record<string, Statistic>): Report['scores']['readout'] => {
    const figures = intervals(observations.clusters, all);
    const one = (name: string): ReportFigure => reportFigure(figures[name]![0]!);
    return {
      tau: scores[score].temperature.tau,
      loss: one('loss'),
      top1: one('top1'),
      ece: one('ece'),
      swap_auroc: one('swap_auroc'),
    };
  };
  const difference = readout.loss.map((loss, row) => loss - logit.loss[row]!);
  const paired = intervals(observations.clusters, { difference: real(meanOf(difference)) });
  return {
    readout: compared('readout', readout.all),
    logit: compared('logit', logit.all),
    difference: reportFigure(paired.difference[0]!),
  };
}
