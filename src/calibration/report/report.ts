/** The report: what the energies of rows that were not fitted on say about the model and its calibration. */
import type { ModelCard } from '../../model/card.js';
import { controlReport } from '../choice/control.js';
import { judge } from '../choice/verdict.js';
import { noiseName, NOISE_SIGMAS, type NegativePlan } from '../data/negatives.js';
import { expertPValue } from '../fit/experts.js';
import { interleave, type Fit } from '../fit/fit-calibration.js';
import { binShares, populationStabilityIndex } from '../metrics/drift.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { expertRanks, infonceRows, rankedWithin } from '../metrics/infonce.js';
import {
  type Statistic,
  correlation,
  intervals,
  positive,
  real,
  share,
  squared,
} from '../metrics/intervals.js';
import { monotonicityViolations, noiseCorrelations } from '../metrics/order.js';
import { expectedCalibrationError, reliabilityBins } from '../metrics/reliability.js';
import { meanOf, weightedColumnMeans, weightedDeviation, weightedMean } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { finiteOrNull, reportFigure, type ReportFigure } from './figure.js';
import { hardestReport } from './hardest.js';
import { lossReports, negativeReports } from './wrong-chunks.js';
import { batchMatrix, histogram, type Landscape } from './plots.js';
import type { Report, ReportBin, TokenGroupReport } from './report-schema.js';
import { compareScores } from './score-comparison.js';
import { sliceReports } from './slices.js';
import { structureReport, type RowIds } from './structure.js';

export interface EvaluateOptions {
  readonly card: ModelCard;
  readonly plan: NegativePlan;
  readonly landscape: Landscape | undefined;
  /** Hashes of the rows that the fit was made on. */
  readonly fittedRows: readonly string[];
  readonly ids: RowIds;
  /** Null: not measured. */
  readonly tokenGroups: TokenGroupReport | null;
}

/** Levels at which the p-values of experts are checked. */
const P_LEVELS = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75];
const TOP = 5;
const NO_GATES = { readout: null, logit: null, corrected: null };

/** Every figure of `observations` under a fit made on other rows. Energies and AUROCs are those of the better score. */
export function evaluate(observations: Observations, fit: Fit, options: EvaluateOptions): Report {
  const { card, plan, landscape, fittedRows, ids, tokenGroups } = options;
  const { clusters } = observations;
  const { better, scores } = fit;
  const { tau } = scores[better].temperature;
  const table = observations[better];
  const own = ownScores(table.groups);
  const swap = swapScores(table.groups);
  const before = infonceRows(table.groups, card.tau);
  const after = infonceRows(table.groups, tau);
  const ranks = expertRanks(table.groups);
  const noise = interleave(
    [own, ...NOISE_SIGMAS.map((sigma) => table.negatives.get(noiseName(sigma))!)],
    own.length,
  );
  const levels = NOISE_SIGMAS.length + 1;
  const H = observations.ownSteps.length / own.length;
  const { overall } = scores[better].experts;
  const pValues = own.map((energy) => expertPValue(overall, energy));
  const { drift, experts } = scores[better];

  const figures = intervals(clusters, {
    lossBefore: positive(meanOf(before.loss)),
    lossAfter: positive(meanOf(after.loss)),
    preference: real(meanOf(after.chance.map((chance, row) => chance - after.loss[row]!))),
    top1: share(meanOf(rankedWithin(ranks, 1))),
    top5: share(meanOf(rankedWithin(ranks, TOP))),
    mrr: share(meanOf(ranks.map((rank) => 1 / rank))),
    ...energyStatistics(own, swap),
    eceBefore: share((w) => [expectedCalibrationError(before.confidence, before.correct, w)]),
    eceAfter: share((w) => [expectedCalibrationError(after.confidence, after.correct, w)]),
    binsBefore: share((w) =>
      reliabilityBins(before.confidence, before.correct, w).map((bin) => bin.accuracy),
    ),
    binsAfter: share((w) => reliabilityBins(after.confidence, after.correct, w).map((bin) => bin.accuracy)),
    noiseEnergies: real((w) => weightedColumnMeans(noise, levels, w)),
    spearman: correlation(meanOf(noiseCorrelations(noise, levels))),
    violations: share(meanOf(monotonicityViolations(noise, levels))),
    stepsOwn: real((w) => weightedColumnMeans(observations.ownSteps, H, w)),
    stepsSwap: real((w) => weightedColumnMeans(observations.swapSteps, H, w)),
    saturation: share(meanOf(observations.saturated)),
    psi: squared(
      (w) => [populationStabilityIndex(drift, binShares(drift.edges, own, w))],
      1 + own.length / experts.overall.n,
    ),
    pShares: share((w) =>
      P_LEVELS.map((level) =>
        weightedMean(
          Float64Array.from(pValues, (p) => (p <= level ? 1 : 0)),
          w,
        ),
      ),
    ),
  });
  const one = (name: keyof typeof figures): ReportFigure => reportFigure(figures[name][0]!);
  const all = (name: keyof typeof figures): ReportFigure[] => figures[name].map(reportFigure);
  const known = after.confidence.filter((confidence) => !Number.isNaN(confidence)).length;
  const bins = (outcome: typeof after, accuracy: ReportFigure[]): ReportBin[] =>
    reliabilityBins(outcome.confidence, outcome.correct, new Float64Array(own.length).fill(1)).map(
      ({ share, confidence }, i) => ({
        count: Math.round(share * known),
        share,
        confidence: finiteOrNull(confidence),
        accuracy: accuracy[i]!,
      }),
    );

  const { candidates } = observations;
  const gates = fit.choice?.gates ?? NO_GATES;
  const choice = candidates && controlReport(candidates, { better, tau, experts: overall, gates });
  const preference = one('preference');
  const fitted = new Set(fittedRows);
  return {
    verdict: judge({ better, choice, gates, preference }),
    rows: own.length,
    clusters: new Set(clusters).size,
    fitted_before: observations.hashes.filter((hash) => fitted.has(hash)).length,
    batch: table.groups.width,
    effective_negatives: table.groups.usable.reduce((sum, usable) => sum + usable, 0) / own.length - 1,
    left_out: observations.leftOut,
    choice: choice ?? null,
    token_groups: tokenGroups,
    infonce: {
      before: one('lossBefore'),
      after: one('lossAfter'),
      chance: weightedMean(after.chance, new Float64Array(own.length).fill(1)) || 0,
      log_batch: Math.log(table.groups.width),
      preference,
    },
    top1: one('top1'),
    top5: one('top5'),
    mrr: one('mrr'),
    energy: {
      positive: one('positive'),
      negative: one('negative'),
      gap: one('gap'),
      positive_spread: one('positiveSpread'),
      negative_spread: one('negativeSpread'),
    },
    negatives: negativeReports(observations, better, plan),
    slices: sliceReports(observations, { better, tau, gates, ids }),
    hardest: hardestReport(observations, better, tau, ids),
    losses: lossReports(observations, plan, { card: card.tau, fitted: scores.readout.temperature.tau }),
    structure: structureReport(observations, better, ids),
    omitted: plan.omitted.map(({ name, reason }) => ({ name, reason })),
    reliability: {
      ece_before: one('eceBefore'),
      ece_after: one('eceAfter'),
      before: bins(before, all('binsBefore')),
      after: bins(after, all('binsAfter')),
    },
    noise: {
      sigmas: [0, ...NOISE_SIGMAS],
      energies: all('noiseEnergies'),
      spearman: one('spearman'),
      violations: one('violations'),
    },
    steps: { expert: all('stepsOwn'), swap: all('stepsSwap') },
    saturation: one('saturation'),
    psi: one('psi'),
    p_values: { levels: P_LEVELS, shares: all('pShares') },
    scores: compareScores(observations, fit),
    plots: {
      histogram: histogram(own, swap, table.negatives),
      matrix: batchMatrix(observations, better, ids),
      ...(landscape ? { landscape: namedLandscape(landscape, card) } : {}),
    },
  };
}

/** Positive and negative energy, their gap and spreads; `swap` [n, B] with NaN where there is none. */
function energyStatistics(
  own: Float64Array,
  swap: Float64Array,
): Record<'positive' | 'negative' | 'gap' | 'positiveSpread' | 'negativeSpread', Statistic> {
  const width = swap.length / own.length;
  const spread = new Float64Array(swap.length);
  const spreadOver = (weights: Float64Array): Float64Array => {
    for (let i = 0; i < spread.length; i++) spread[i] = weights[Math.floor(i / width)]!;
    return spread;
  };
  return {
    positive: real(meanOf(own)),
    negative: real((w) => [weightedMean(swap, spreadOver(w))]),
    gap: real((w) => [weightedMean(swap, spreadOver(w)) - weightedMean(own, w)]),
    positiveSpread: real((w) => [weightedDeviation(own, w)]),
    negativeSpread: real((w) => [weightedDeviation(swap, spreadOver(w))]),
  };
}

function namedLandscape(
  { row, dims, pushes, energies }: Landscape,
  card: ModelCard,
): NonNullable<Report['plots']['landscape']> {
  const name = (dim: number): string => card.actions.names?.[dim] ?? `dim ${dim}`;
  return {
    row,
    dims: [...dims],
    dim_names: [name(dims[0]), name(dims[1])],
    pushes: [...pushes],
    energies: [...energies],
  };
}
