/**
 * What stands off the diagonal of the energy matrix. Another context's chunk is no one thing: it may be of the same episode, of
 * the same task, or so near the expert's own that it is none. A model that knows the task and not the moment wins against other
 * tasks and loses inside its own.
 */
import type { Score } from '../../model/energy.js';
import type { CalibrationData } from '../data/calibration-data.js';
import { intervals, real, share, type WeightedValues } from '../metrics/intervals.js';
import { rankCorrelation } from '../metrics/order.js';
import { meanOf } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { reportFigure } from './figure.js';
import type { Relation, Report } from './report-schema.js';

export type RowIds = Pick<CalibrationData, 'task' | 'episode' | 'step'>;

const ORDER: readonly Relation[] = ['near_duplicate', 'same_episode', 'same_task', 'other_task', 'other'];

/** Where a chunk is hard to tell from the expert's, and where it is not, by preference. */
const NEAR: readonly Relation[] = ['same_episode', 'same_task'];
const FAR: readonly Relation[] = ['other_task', 'other', 'same_task'];

/** How the chunk in `column` of `row` stands to the row's own; undefined for its own. */
export function relationOf(
  { rows, columns, readout: { groups } }: Observations,
  { task, episode }: RowIds,
  row: number,
  column: number,
): Relation | undefined {
  if (column === groups.own[row]) return undefined;
  const at = row * groups.width + column;
  if (!groups.usable[at]) return 'near_duplicate';
  const [own, other] = [rows[row]!, columns[at]!];
  if (episode !== undefined && episode[own] === episode[other]) return 'same_episode';
  if (task === undefined) return 'other';
  return task[own] === task[other] ? 'same_task' : 'other_task';
}

/** Column of the lowest other chunk that is not a near-duplicate; -1 where there is none. */
export function lowestOther(
  { rows, width, scores, own, usable }: Observations[Score]['groups'],
  row: number,
): number {
  let lowest = -1;
  for (let column = 0; row < rows && column < width; column++) {
    const at = row * width + column;
    if (column === own[row] || !usable[at]) continue;
    if (lowest < 0 || scores[at]! < scores[row * width + lowest]!) lowest = column;
  }
  return lowest;
}

interface Sums {
  /** By row, [n] each: pairs, their energies, wins of the expert, and mean absolute action differences. */
  readonly pairs: Float64Array;
  readonly energy: Float64Array;
  readonly wins: Float64Array;
  readonly difference: Float64Array;
  lost: number;
}

export function structureReport(observations: Observations, better: Score, ids: RowIds): Report['structure'] {
  const { groups } = observations[better];
  const { rows, width, scores, own } = groups;
  const sums = new Map<Relation, Sums>();
  const of = (relation: Relation): Sums => {
    const empty = (): Float64Array => new Float64Array(rows);
    const known = sums.get(relation) ?? {
      pairs: empty(),
      energy: empty(),
      wins: empty(),
      difference: empty(),
      lost: 0,
    };
    sums.set(relation, known);
    return known;
  };
  for (let row = 0; row < rows; row++) {
    const expert = scores[row * width + own[row]!]!;
    for (let column = 0; column < width; column++) {
      const relation = relationOf(observations, ids, row, column);
      if (relation === undefined) continue;
      const at = row * width + column;
      const sum = of(relation);
      sum.pairs[row]! += 1;
      sum.energy[row]! += scores[at]!;
      sum.wins[row]! += scores[at]! > expert ? 1 : scores[at] === expert ? 0.5 : 0;
      sum.difference[row]! += observations.differences[at]!;
    }
    const lowest = lowestOther(groups, row);
    if (lowest >= 0 && scores[row * width + lowest]! <= expert) {
      of(relationOf(observations, ids, row, lowest)!).lost++;
    }
  }
  const relations = ORDER.flatMap((relation) => {
    const sum = sums.get(relation);
    if (sum === undefined) return [];
    const figures = intervals(observations.clusters, {
      energy: real(ratio(sum.energy, sum.pairs)),
      wins: share(ratio(sum.wins, sum.pairs)),
      difference: real(ratio(sum.difference, sum.pairs)),
    });
    return [
      {
        relation,
        pairs: sum.pairs.reduce((total, pairs) => total + pairs, 0),
        energy: reportFigure(figures.energy[0]!),
        win_rate: reportFigure(figures.wins[0]!),
        difference: reportFigure(figures.difference[0]!),
        lost: sum.lost,
      },
    ];
  });
  const correlations = Float64Array.from({ length: rows }, (_, row) =>
    distanceCorrelation(observations, better, row),
  );
  const rate = (relation: Relation | undefined): WeightedValues => {
    const sum = relation && sums.get(relation);
    return sum ? ratio(sum.wins, sum.pairs) : () => [NaN];
  };
  const nearest = NEAR.find((each) => sums.has(each));
  const near = rate(nearest);
  const far = rate(FAR.find((each) => sums.has(each) && each !== nearest));
  const { correlation, gap } = intervals(observations.clusters, {
    correlation: real(meanOf(correlations)),
    gap: real((weights) => [far(weights)[0]! - near(weights)[0]!]),
  });
  return {
    relations,
    win_rate_gap: reportFigure(gap[0]!),
    distance_correlation: reportFigure(correlation[0]!),
  };
}

/** Of the row's other chunks: Spearman's, of energy and mean absolute difference from its own. */
function distanceCorrelation(
  { differences, ...observations }: Observations,
  better: Score,
  row: number,
): number {
  const { width, scores, own, usable } = observations[better].groups;
  const others = Array.from({ length: width }, (_, column) => row * width + column).filter(
    (at) => at !== row * width + own[row]! && usable[at] === 1,
  );
  if (others.length < 2) return NaN;
  const energies = Float64Array.from(others, (at) => scores[at]!);
  return rankCorrelation(
    energies,
    Float64Array.from(others, (at) => differences[at]!),
  );
}

/** Weighted sum of `values` over that of `counts`: a mean over pairs. */
function ratio(values: Float64Array, counts: Float64Array): WeightedValues {
  return (weights) => {
    let [sum, total] = [0, 0];
    for (let row = 0; row < values.length; row++) {
      sum += weights[row]! * values[row]!;
      total += weights[row]! * counts[row]!;
    }
    return [sum / total];
  };
}
