/**
 * A policy with the faults of learned ones, made of the expert's controller: its samples scatter, they go different ways, and it
 * has misread some scenes as a whole, so that there most of its samples are wrong together. Parametric, so that every state
 * can be branched: from one saved state each candidate is executed, then the policy goes on under the same random numbers.
 */
import { seededRandom, type Random } from '../src/random.js';
import { chunkFor, expertIntent, PATIENT, shortSide, type Intent } from './controller.js';
import { execute, type Pose, type Side, type State } from './world.js';

/** Shares and spreads of the policy's faults. */
export interface PolicyFaults {
  /** Share of the scenes in which it takes the other block for the one that is meant. */
  readonly confused: number;
  /** Chance that a sample goes the longer way although both are open. */
  readonly detour: number;
  /** Spread of the aim: of the whole state, and of a sample. */
  readonly bias: number;
  readonly scatter: number;
  /** Chance that a sample moves the gripper too early. */
  readonly hasty: number;
}

export const FAULTS: PolicyFaults = { confused: 0.25, detour: 0.15, bias: 0.03, scatter: 0.04, hasty: 0.08 };
/** Both ways about alike in every state. */
export const TWO_WAYS: PolicyFaults = { ...FAULTS, detour: 0.45, scatter: 0.06 };

/** Distance from the goal at which a hasty sample moves the gripper. */
const HASTY = 0.25;
const CLEARANCE = { mean: 0.1, spread: 0.06 };
const SLOWEST = 0.75;

/** What the policy makes of the scene of one episode. */
interface Belief {
  /** Chance that a sample minds the wall. */
  readonly seesWall: number;
  /** Chance that a sample goes for the other block. */
  readonly confusion: number;
}

/** One episode of a policy: the same `seed` gives the same beliefs and, by decision, the same random numbers. */
export class Policy {
  readonly #faults: PolicyFaults;
  readonly #seed: number;
  readonly #belief: Belief;

  constructor(faults: PolicyFaults, seed: number) {
    this.#faults = faults;
    this.#seed = seed;
    const random = seededRandom(seed, 'belief');
    const seesWall = 0.1 + 0.8 * random.uniform();
    const isConfused = random.uniform() < faults.confused;
    this.#belief = { seesWall, confusion: isConfused ? 0.4 + 0.5 * random.uniform() : 0.02 };
  }

  /** `count` samples [H, A] for decision number `decision`, its own choice first. `stream`: another set of random numbers. */
  sample(state: State, decision: number, count: number, stream = 'policy'): Float32Array[] {
    const random = seededRandom(this.#seed, `${stream} ${decision}`);
    const bias = pose(random, this.#faults.bias);
    return Array.from({ length: count }, () => chunkFor(state, this.#intent(state, bias, random), random));
  }

  /** The state at the end when `chunk` is executed and the policy then goes on. */
  branch(state: State, decision: number, chunk: Float32Array): State {
    let after = execute(state, chunk);
    for (let next = decision + 1; after.outcome === 'running'; next++) {
      after = execute(after, this.sample(after, next, 1, `branch ${decision}`)[0]!);
    }
    return after;
  }

  #intent(state: State, bias: Pose, random: Random): Intent {
    const { detour, scatter, hasty } = this.#faults;
    const { seesWall, confusion } = this.#belief;
    // all are drawn whatever the state, so that the same numbers mean the same in every branch
    const [confused, seeing, straying, hasting] = Array.from({ length: 4 }, () => random.uniform());
    const clearance = CLEARANCE.mean + CLEARANCE.spread * random.normal();
    const gain = SLOWEST + (1 - SLOWEST) * random.uniform();
    const own = pose(random, scatter);
    const short = shortSide(state);
    const { wall } = state.scene;
    const carefree = straying! < detour ? (-short as Side) : short;
    return {
      target: confused! < confusion ? 'other' : 'block',
      side: wall !== 0 && seeing! < seesWall ? (-wall as Side) : carefree,
      clearance,
      aim: bias.map((value, i) => value + own[i]!) as unknown as Pose,
      haste: hasting! < hasty ? HASTY : PATIENT,
      gain,
    };
  }
}

/** The expert's chunk [H, A]. */
export function expertChunk(state: State, random: Random): Float32Array {
  return chunkFor(state, expertIntent(state), random);
}

function pose(random: Random, spread: number): Pose {
  return [0, 0, 0, 0].map(() => spread * random.normal()) as unknown as Pose;
}
