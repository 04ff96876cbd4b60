/**
 * How the energy stands to each kind of wrong chunk, and the losses of docs/model.md on the reported rows: what training minimised, on
 * data that it may not have seen. The losses are all of the readout's energies, as training has them; near-duplicates are no
 * negatives here either.
 */
import { infonceRow } from '../../energy/infonce-row.js';
import { HINGE_DEFAULTS, hingeTerm, MARGIN_BETA, marginTerm } from '../../energy/losses-margin.js';
import type { Score } from '../../model/energy.js';
import type { NegativePlan } from '../data/negatives.js';
import { aurocStatistic, winRates } from '../metrics/auroc.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { infonceRows } from '../metrics/infonce.js';
import { intervals, real, share, positive } from '../metrics/intervals.js';
import { meanOf, weightedMean } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { reportFigure, finiteOrNull } from './figure.js';
import type { NegativeReport, Report } from './report-schema.js';

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

type LossReport = Report['losses'][number];

/** Temperatures of the readout: the card's, and the fitted one. */
export interface LossTaus {
  readonly card: number;
  readonly fitted: number;
}

export function lossReports(observations: Observations, plan: NegativePlan, taus: LossTaus): LossReport[] {
  const { groups, negatives } = observations.readout;
  const own = ownScores(groups);
  const loss = (
    name: LossReport['loss'],
    kind: string,
    rows: Float64Array,
    fitted?: Float64Array,
    chance?: number,
  ): LossReport => {
    const figures = intervals(observations.clusters, {
      rows: positive(meanOf(rows)),
      fitted: positive(meanOf(fitted ?? rows)),
    });
    return {
      loss: name,
      negatives: kind,
      value: reportFigure(figures.rows[0]!),
      fitted: fitted ? reportFigure(figures.fitted[0]!) : null,
      chance: chance === undefined ? null : finiteOrNull(chance),
    };
  };
  const swap = infonceRows(groups, taus.card);
  const ones = new Float64Array(own.length).fill(1);
  return [
    loss(
      'swap_infonce',
      'swap',
      swap.loss,
      infonceRows(groups, taus.fitted).loss,
      weightedMean(swap.chance, ones),
    ),
    loss('margin', 'swap', marginRows(observations, own)),
    ...plan.kinds
      .filter(({ given }) => given)
      .flatMap(({ name, count }) => {
        const energies = negatives.get(name)!;
        const explicit = (tau: number): Float64Array => explicitRows(own, energies, tau);
        return [
          loss('explicit_infonce', name, explicit(taus.card), explicit(taus.fitted), Math.log(1 + count)),
          loss('hinge', name, hingeRows(own, energies, observations.distances.get(name)!)),
        ];
      }),
  ];
}

/** InfoNCE of each row's own negatives [n, K], nats; [n]. */
function explicitRows(own: Float64Array, negatives: Float64Array, tau: number): Float64Array {
  const width = negatives.length / own.length;
  return own.map((energy, row) => {
    const energies = Float64Array.of(energy, ...negatives.subarray(row * width, (row + 1) * width));
    return infonceRow(energies, 0, width + 1, 0, tau).loss;
  });
}

/** Mean over each row's own negatives; `distances` [n, K]. */
function hingeRows(own: Float64Array, negatives: Float64Array, distances: Float64Array): Float64Array {
  const { margin, kappa } = HINGE_DEFAULTS;
  const width = negatives.length / own.length;
  return own.map((energy, row) => {
    let sum = 0;
    for (let at = row * width; at < (row + 1) * width; at++) {
      sum += hingeTerm(energy, negatives[at]!, distances[at]!, margin, kappa);
    }
    return sum / width;
  });
}

/** Mean over each row's swap negatives; NaN for a row without. */
function marginRows({ readout: { groups }, differences }: Observations, own: Float64Array): Float64Array {
  const swap = swapScores(groups);
  const { width } = groups;
  return own.map((energy, row) => {
    let [sum, count] = [0, 0];
    for (let at = row * width; at < (row + 1) * width; at++) {
      if (Number.isNaN(swap[at]!)) continue;
      sum += marginTerm(energy, swap[at]!, differences[at]!, MARGIN_BETA);
      count++;
    }
    return sum / count;
  });
}
