/**
 * Episodes of the policy as rows of training and calibration data (docs/calibration.md): at each decision the context, the
 * expert's chunk, the policy's candidates, and what each would come to from this very state (a branch label).
 */
import { seededRandom, type Random } from '../src/random.js';
import { fromFloat32, float32Tensor, type Tensor } from '../src/tensor/tensor.js';
import { D, hiddenStates, randomMap, S, type HiddenStates } from './hidden-states.js';
import { expertChunk, Policy, type PolicyFaults } from './policy.js';
import { A, execute, GRIPPER, H, reset, type State } from './world.js';

/** One decision. */
export interface Moment extends HiddenStates {
  readonly state: State;
  readonly episode: number;
  readonly decision: number;
  readonly policy: Policy;
  /** N chunks [H, A], the policy's own choice first. */
  readonly candidates: readonly Float32Array[];
}

/** The candidates of a decision; the policy's samples, or something done to them. */
export type Propose = (
  moment: Omit<Moment, 'candidates'>,
  samples: readonly Float32Array[],
) => Promise<readonly Float32Array[]>;

export const asSampled: Propose = (_, samples) => Promise.resolve(samples);

export interface EpisodesOptions {
  readonly faults: PolicyFaults;
  readonly seed: number;
  /** N. */
  readonly candidates: number;
  readonly propose: Propose;
}

/** What happens in one episode, whoever chooses: the same seed and episode give the same scene and the same random numbers. */
export class Episode {
  readonly #options: EpisodesOptions;
  readonly #map: Float32Array;
  readonly #episode: number;
  readonly #seed: number;
  readonly #policy: Policy;

  constructor(options: EpisodesOptions, map: Float32Array, episode: number) {
    this.#options = options;
    this.#map = map;
    this.#episode = episode;
    this.#seed = options.seed + 7919 * episode;
    this.#policy = new Policy(options.faults, this.#seed);
  }

  start(): State {
    return reset(seededRandom(this.#seed, 'scene'));
  }

  async moment(state: State, decision: number): Promise<Moment> {
    const random = seededRandom(this.#seed, `hidden ${decision}`);
    const bare = {
      ...hiddenStates(state, this.#map, random),
      ...{ state, decision, episode: this.#episode, policy: this.#policy },
    };
    const { candidates: count, propose } = this.#options;
    return { ...bare, candidates: await propose(bare, this.#policy.sample(state, decision, count)) };
  }

  random(label: string): Random {
    return seededRandom(this.#seed, label);
  }
}

export interface Recorded {
  readonly moment: Moment;
  readonly expert: Float32Array;
  /** [N]: 1 where the episode failed after the candidate, else 0. */
  readonly cost: Float32Array;
}

export interface Recording extends EpisodesOptions {
  readonly rows: number;
  /** Chance that the expert's chunk is executed, so that late moments are seen, too; else the policy's own is. */
  readonly helped: number;
  /** Share of the decisions that become rows: few of many episodes tell more than many of few. */
  readonly share: number;
}

/** Moments of as many episodes as make the rows. */
export async function recordMoments(options: Recording): Promise<Recorded[]> {
  const { rows, helped, share } = options;
  const map = randomMap();
  const out: Recorded[] = [];
  for (let number = 0; out.length < rows; number++) {
    const episode = new Episode(options, map, number);
    const random = episode.random('recording');
    let state = episode.start();
    for (let decision = 0; state.outcome === 'running' && out.length < rows; decision++) {
      const moment = await episode.moment(state, decision);
      const expert = expertChunk(state, random);
      if (random.uniform() < share) out.push({ moment, expert, cost: branchCosts(moment) });
      state = execute(state, random.uniform() < helped ? expert : moment.candidates[0]!);
    }
  }
  return out;
}

/** Branch labels [N]. */
function branchCosts({ policy, state, decision, candidates }: Moment): Float32Array {
  return Float32Array.from(candidates, (chunk) => costOf(policy.branch(state, decision, chunk)));
}

export function costOf({ outcome }: State): number {
  return outcome === 'success' ? 0 : 1;
}

/** How far a chunk is pushed to make a wrong one. */
const PUSH = 0.5;

/** Columns as `calibrate` and `train` read them: those of `names`. bfloat16 holds what was simulated, too. */
export function columns(
  recorded: readonly Recorded[],
  names: readonly string[],
  chunks: 'float32' | 'bfloat16' = 'bfloat16',
): Map<string, Tensor> {
  const M = recorded.length;
  const N = recorded[0]!.moment.candidates.length;
  const random = seededRandom(M, 'pushed');
  const make: Readonly<Record<string, () => Tensor>> = {
    hidden: () => ({
      dtype: 'bfloat16',
      shape: [M, S, D],
      bytes: Buffer.concat(recorded.map(({ moment }) => moment.hidden.bytes)),
    }),
    pad_mask: () => ({
      dtype: 'bool',
      shape: [M, S],
      bytes: Buffer.concat(recorded.map(({ moment }) => moment.mask)),
    }),
    actions: () => float32Tensor([M, H, A], joined(recorded.map(({ expert }) => expert))),
    candidates: () =>
      fromFloat32(chunks, [M, N, H, A], joined(recorded.flatMap(({ moment }) => moment.candidates))),
    candidate_cost: () => float32Tensor([M, N], joined(recorded.map(({ cost }) => cost))),
    negatives: () =>
      fromFloat32(
        'bfloat16',
        [M, 2, H, A],
        joined(recorded.flatMap(({ expert }) => [pushed(expert, random), flipped(expert)])),
      ),
    task_id: () => ids(recorded.map(({ moment }) => moment.state.scene.colour)),
    episode_id: () => ids(recorded.map(({ moment }) => moment.episode)),
    step: () => ids(recorded.map(({ moment }) => moment.state.step)),
  };
  return new Map(names.map((name) => [name, make[name]!()]));
}

export const CONTEXT_COLUMNS = ['hidden', 'pad_mask', 'actions', 'task_id', 'episode_id', 'step'] as const;
export const CHOICE_COLUMNS = ['candidates', 'candidate_cost'] as const;

/** The chunk with one constant push on the dims that move. */
function pushed(chunk: Float32Array, random: Random): Float32Array {
  const push = Array.from({ length: A }, (_, dim) => (dim === GRIPPER ? 0 : PUSH * random.normal()));
  return chunk.map((value, i) => Math.min(1, Math.max(-1, value + push[i % A]!)));
}

function flipped(chunk: Float32Array): Float32Array {
  return chunk.map((value, i) => (i % A === GRIPPER ? 1 - value : value));
}

/** One after the other. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function ids(values: readonly number[]): Tensor {
  const words = BigInt64Array.from(values, BigInt);
  return { dtype: 'int64', shape: [values.length], bytes: new Uint8Array(words.buffer) };
}
