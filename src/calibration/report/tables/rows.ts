/** Tables of parts of the rows, and of single ones: by task, by time of the episode, the hardest, the worst picks. */
import type { Report, Slice } from '../report-schema.js';
import type { Table } from '../figure.js';

const SLICE_NOTE =
  "Loss and top-1 of the expert's chunk in its batch; saved: by the pick among all candidates; harm: of the gate, executed and worse.";

export function taskTable({ slices }: Report): Table {
  // the worst first: a page shows the head of the list
  const worst = slices.by_task.toSorted((a, b) => (b.loss.value ?? -Infinity) - (a.loss.value ?? -Infinity));
  return sliceTable('by-task', 'By task, the hardest first', 'task', worst);
}

export function timeTable({ slices }: Report): Table {
  return sliceTable('by-time', 'By time of the episode', 'steps', slices.by_time);
}

function sliceTable(name: string, title: string, what: string, slices: readonly Slice[]): Table {
  const optional = (
    [
      ['saved over random', 'over_random'],
      ["over the policy's first", 'over_first'],
      ['coverage', 'coverage'],
      ['harm', 'harm'],
    ] as const
  ).filter(([, key]) => slices.some((slice) => slice[key] !== null));
  return {
    name,
    title,
    note: SLICE_NOTE,
    columns: [
      what,
      'rows',
      'clusters',
      'InfoNCE loss',
      'top-1',
      'win rate',
      'mean energy',
      ...optional.map(([title]) => title),
    ],
    rows: slices.map((slice) => [
      slice.name,
      slice.rows,
      slice.clusters,
      slice.loss,
      slice.top1,
      slice.win_rate,
      slice.energy,
      ...optional.map(([, key]) => slice[key]),
    ]),
  };
}

export function hardestTable({ hardest }: Report): Table {
  return {
    name: 'hardest-rows',
    title: 'Hardest rows',
    note: "Experts' chunks with the largest InfoNCE loss, and the lowest chunk of another context beside each.",
    columns: [
      'row',
      'task',
      'episode',
      'step',
      'loss',
      'rank',
      'energy',
      'lowest other',
      'of row',
      'which is of',
    ],
    rows: hardest.experts.map(({ row, task, episode, step, loss, rank, energy, lowest_other: other }) => [
      String(row),
      id(task),
      id(episode),
      id(step),
      loss,
      rank,
      energy,
      other.energy,
      String(other.row),
      RELATIONS[other.relation],
    ]),
  };
}

export function worstPickTable({ hardest }: Report): Table {
  return {
    name: 'worst-picks',
    title: 'Worst picks',
    note: "Rows whose lowest-energy candidate costs most above the policy's first, candidate 0, without a gate.",
    columns: [
      'row',
      'task',
      'episode',
      'step',
      'pick',
      'its energy',
      'energy of the first',
      'its cost',
      'cost of the first',
      'least cost',
    ],
    rows: hardest.picks.map((pick) => [
      String(pick.row),
      id(pick.task),
      id(pick.episode),
      id(pick.step),
      String(pick.candidate),
      pick.energy,
      pick.energy_of_first,
      pick.cost,
      pick.cost_of_first,
      pick.least_cost,
    ]),
  };
}

/** As tables call them. */
export const RELATIONS = {
  near_duplicate: 'a near-duplicate',
  same_episode: 'the same episode',
  same_task: 'the same task',
  other_task: 'another task',
  other: 'another episode',
} as const;

function id(value: number | null): string {
  return value === null ? '' : String(value);
}
