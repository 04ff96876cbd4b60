/** The data files beside the bundled model: what README's commands run on. */
import {
  asSampled,
  CHOICE_COLUMNS,
  columns,
  CONTEXT_COLUMNS,
  costOf,
  recordMoments,
  type EpisodesOptions,
  type Recorded,
} from './moments.js';
import { FAULTS } from './policy.js';
import { writeTensors } from './train-model.js';

/** Contexts of the example file, and their candidates; the expert's chunk is number 3i of context i. */
const EXAMPLES = 4;
const EXAMPLE_CANDIDATES = 16;
const EXPERT_EVERY = 3;
const EXAMPLE_ROWS = 200;
/** Candidates that fail, and that succeed, in an example. */
const FEWEST_TELLING = 3;
/** Share of an example's tokens that its mask hides, at most: a mask that hides more than it shows is taken for an inverted one. */
const MOST_HIDDEN = 0.5;

/** Share of the decisions that are calibrated on: about one of each episode. */
const KEPT = 1 / 6;

/** Decisions of the policy alone, with branch labels and two negatives each: pushed aside, and with the gripper flipped. */
export async function calibrationFile(file: string, options: EpisodesOptions, rows: number): Promise<void> {
  const recorded = await recordMoments({ ...options, rows, helped: 0, share: KEPT });
  await writeTensors(file, columns(recorded, [...CONTEXT_COLUMNS, 'negatives', ...CHOICE_COLUMNS]));
}

/**
 * Moments of `EXAMPLES` episodes in which much hangs on the choice; the expert's chunk is among the candidates and succeeds. They
 * are drawn from a seed of their own, and nothing in them depends on a trained model.
 */
export async function exampleFile(file: string, seed: number): Promise<void> {
  const recording = { faults: FAULTS, seed, candidates: EXAMPLE_CANDIDATES - 1, propose: asSampled };
  const recorded = await recordMoments({ ...recording, rows: EXAMPLE_ROWS, helped: 0, share: 1 });
  const examples: Recorded[] = [];
  for (const row of recorded) {
    const { moment, cost } = row;
    const isNew = examples.every((other) => other.moment.episode !== moment.episode);
    const failing = cost.reduce((sum, value) => sum + value, 0);
    const isTelling = Math.min(failing, cost.length - failing) >= FEWEST_TELLING;
    const hidden = moment.mask.reduce((sum, value) => sum + value, 0);
    const isPlain = hidden <= MOST_HIDDEN * moment.mask.length;
    if (!isNew || !isTelling || !isPlain || examples.length === EXAMPLES) continue;
    const place = EXPERT_EVERY * examples.length;
    const example = withExpert(row, place);
    if (example.cost[place] === 0) examples.push(example);
  }
  await writeTensors(
    file,
    columns(examples, ['hidden', 'pad_mask', 'actions', ...CHOICE_COLUMNS], 'float32'),
  );
}

function withExpert({ moment, expert, cost }: Recorded, place: number): Recorded {
  const { policy, state, decision } = moment;
  const own = costOf(policy.branch(state, decision, expert));
  return {
    moment: { ...moment, candidates: moment.candidates.toSpliced(place, 0, expert) },
    expert,
    cost: Float32Array.from([...cost].toSpliced(place, 0, own)),
  };
}
