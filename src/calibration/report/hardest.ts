/** Rows to look at: the experts that the model tells apart worst, and the picks that cost most. */
import type { Score } from '../../model/energy.js';
import { expertRanks, infonceRows } from '../metrics/infonce.js';
import type { Observations } from '../observations.js';
import { finiteOrNull } from './figure.js';
import type { Report } from './report-schema.js';
import { lowestOther, relationOf, type RowIds } from './structure.js';

/** Rows of each list. */
const MOST = 10;

type Hardest = Report['hardest'];

export function hardestReport(observations: Observations, better: Score, tau: number, ids: RowIds): Hardest {
  return {
    experts: hardestExperts(observations, better, tau, ids),
    picks: worstPicks(observations, better, ids),
  };
}

/** Largest InfoNCE loss first. */
function hardestExperts(
  observations: Observations,
  better: Score,
  tau: number,
  ids: RowIds,
): Hardest['experts'] {
  const { groups } = observations[better];
  const { width, scores, own } = groups;
  const { loss } = infonceRows(groups, tau);
  const ranks = expertRanks(groups);
  return largest(loss).map((at) => {
    const column = lowestOther(groups, at);
    return {
      ...named(observations.rows[at]!, ids),
      loss: loss[at]!,
      rank: ranks[at]!,
      energy: scores[at * width + own[at]!]!,
      lowest_other: {
        row: observations.columns[at * width + column]!,
        energy: scores[at * width + column]!,
        relation: relationOf(observations, ids, at, column)!,
      },
    };
  });
}

/** Picks that cost more than the policy's first, most first. Without candidates none. */
function worstPicks({ candidates, rows }: Observations, better: Score, ids: RowIds): Hardest['picks'] {
  if (candidates === undefined) return [];
  const { width, cost } = candidates;
  const scores = candidates.scores[better];
  const picks = Int32Array.from(rows, (_, at) => {
    const own = scores.subarray(at * width, (at + 1) * width);
    return own.indexOf(Math.min(...own));
  });
  const excess = Float64Array.from(picks, (pick, at) => cost[at * width + pick]! - cost[at * width]!);
  return largest(excess)
    .filter((at) => excess[at]! > 0)
    .map((at) => ({
      ...named(rows[at]!, ids),
      candidate: picks[at]!,
      energy: scores[at * width + picks[at]!]!,
      energy_of_first: scores[at * width]!,
      cost: cost[at * width + picks[at]!]!,
      cost_of_first: cost[at * width]!,
      least_cost: Math.min(...cost.subarray(at * width, (at + 1) * width)),
    }));
}

function named(
  row: number,
  { task, episode, step }: RowIds,
): Pick<Hardest['picks'][number], 'row' | 'task' | 'episode' | 'step'> {
  const id = (ids: Float64Array | undefined): number | null =>
    ids === undefined ? null : finiteOrNull(ids[row]!);
  return { row, task: id(task), episode: id(episode), step: id(step) };
}

/** Places of the largest values, NaN left out; of equal ones the first. */
function largest(values: Float64Array): number[] {
  return Array.from(values.keys())
    .filter((at) => !Number.isNaN(values[at]!))
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, MOST);
}
