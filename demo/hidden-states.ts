/**
 * The "last hidden layer" of the demo's policy: a token for each thing on the table and for the arm, filler between them,
 * pushed through one fixed random map and blurred. What is masked is loud noise, so that a lost mask shows. Which block is
 * meant stands in the tokens, as a policy's attention would have written it there; which way to go must be read out of them.
 */
import { seededRandom, type Random } from '../src/random.js';
import { fromFloat32, type Tensor } from '../src/tensor/tensor.js';
import type { Pose, State } from './world.js';

/** Tokens and their width. */
export const S = 24;
export const D = 64;

const KINDS = ['block', 'bin', 'post', 'arm', 'filler'] as const;
/** Kind, pose, is it where to go now, colour, radius, wall, holding, closed. */
const FEATURES = KINDS.length + 4 + 1 + 2 + 1 + 1 + 1 + 1;
const MAP_SPREAD = 0.6;
const BLUR = 0.05;
const LOUD = 3;
/** The map is part of the task: never drawn anew. */
const MAP_SEED = 20240601;
const FILLER = { least: 3, most: 14 };

export interface HiddenStates {
  /** [S, D] bfloat16. */
  readonly hidden: Tensor;
  /** [S], 1 = ignore. */
  readonly mask: Uint8Array;
}

interface Thing {
  readonly kind: (typeof KINDS)[number];
  readonly pose: Pose;
  readonly isGoal?: boolean;
  readonly colour?: 0 | 1;
  readonly radius?: number;
  readonly wall?: number;
}

/** The map [FEATURES, D] from features to a token. */
export function randomMap(): Float32Array {
  const random = seededRandom(MAP_SEED, 'map');
  return Float32Array.from({ length: FEATURES * D }, () => MAP_SPREAD * random.normal());
}

export function hiddenStates(state: State, map: Float32Array, random: Random): HiddenStates {
  const { scene, arm, holding, closed } = state;
  const { post, wall, colour } = scene;
  const toArm = (pose: Pose): Pose => pose.map((value, i) => value - arm[i]!) as unknown as Pose;
  const things: Thing[] = [
    { kind: 'block', pose: toArm(scene.block), isGoal: holding === 'nothing', colour },
    { kind: 'block', pose: toArm(scene.other), colour: colour === 0 ? 1 : 0 },
    { kind: 'bin', pose: toArm(scene.bin), isGoal: holding !== 'nothing' },
    { kind: 'post', pose: toArm([post.x, post.y, arm[2], arm[3]]), radius: post.radius, wall },
    { kind: 'arm', pose: arm },
  ];
  const fillers = FILLER.least + random.below(FILLER.most - FILLER.least + 1);
  for (let i = 0; i < fillers; i++) {
    const drawn = [0, 0, 0, 0].map(() => 0.5 * random.normal()) as unknown as Pose;
    things.push({ kind: 'filler', pose: drawn, colour: random.uniform() < 0.5 ? 0 : 1 });
  }
  const values = Float32Array.from({ length: S * D }, () => LOUD * random.normal());
  for (const [row, thing] of shuffled(things, random).entries()) {
    const token = values.subarray(row * D, (row + 1) * D);
    const features = featuresOf(thing, holding === 'nothing' ? 0 : 1, closed ? 1 : 0);
    for (let d = 0; d < D; d++) {
      let sum = 0;
      for (const [f, feature] of features.entries()) sum += feature * map[f * D + d]!;
      token[d] = Math.tanh(sum) + BLUR * random.normal();
    }
  }
  const mask = new Uint8Array(S).fill(1, things.length);
  return { hidden: fromFloat32('bfloat16', [S, D], values), mask };
}

function featuresOf(
  { kind, pose, isGoal = false, colour, radius = 0, wall = 0 }: Thing,
  holding: number,
  closed: number,
): number[] {
  return [
    ...KINDS.map((each) => (each === kind ? 1 : 0)),
    ...pose,
    isGoal ? 1 : 0,
    ...[0, 1].map((each) => (each === colour ? 1 : 0)),
    radius,
    wall,
    holding,
    closed,
  ];
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
