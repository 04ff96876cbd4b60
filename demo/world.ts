/**
 * The task of the demo: an arm on a table takes the block that it was told to, carries it around a post and lets go of it over
 * the bin. A wall may close one of the two ways around the post. Deterministic; a state is never changed, so that keeping one
 * is saving it.
 *
 * Lengths are in half widths of the table, and so is yaw, where 1 is a quarter of a turn. Poses are x, y, z, yaw; roll and
 * pitch are held by the arm.
 */
import type { Random } from '../src/random.js';

/** Steps of a chunk and action dims: x, y, z, roll, pitch, yaw in [-1, 1], gripper 0 open, 1 closed. */
export const H = 8;
export const A = 7;
export const GRIPPER = 6;
/** Action dims of the four values of a pose. */
export const POSE_DIMS = [0, 1, 2, 5] as const;
/** How far an action of 1 moves. */
export const STEP = 0.08;
/** Control steps after which an episode has failed. */
export const LONGEST = 9 * H;

const GRASP = 0.1;
const BIN_RADIUS = 0.13;

export type Pose = readonly [x: number, y: number, z: number, yaw: number];
export type Side = -1 | 1;

export interface Scene {
  /** Which colour the instruction names. */
  readonly colour: 0 | 1;
  /** The block that is meant, and the one that is not. */
  readonly block: Pose;
  readonly other: Pose;
  readonly bin: Pose;
  readonly post: { readonly x: number; readonly y: number; readonly radius: number };
  /** On which side of the post (in y) a wall closes the way; 0: on none. */
  readonly wall: Side | 0;
}

export interface State {
  readonly scene: Scene;
  readonly arm: Pose;
  readonly closed: boolean;
  readonly holding: 'nothing' | 'block' | 'other';
  readonly step: number;
  readonly outcome: 'running' | 'success' | 'failure';
}

/** The start of an episode. */
export function reset(random: Random): State {
  const between = (low: number, high: number): number => low + (high - low) * random.uniform();
  const post = { x: between(-0.1, 0.1), y: between(-0.2, 0.2), radius: between(0.18, 0.28) };
  const right = (y: number): Pose => [between(0.55, 0.8), y, 0, between(-0.3, 0.3)];
  const isAbove = random.uniform() < 0.5;
  const [high, low] = [between(0.15, 0.55), between(-0.55, -0.15)];
  const draw = random.uniform();
  return {
    scene: {
      colour: random.uniform() < 0.5 ? 0 : 1,
      block: right(isAbove ? high : low),
      other: right(isAbove ? low : high),
      bin: [between(-0.8, -0.6), between(-0.4, 0.4), 0.2, 0],
      post,
      wall: draw < 0.4 ? 0 : draw < 0.7 ? 1 : -1,
    },
    arm: [between(-0.85, -0.6), between(-0.35, 0.35), 0.25, 0],
    closed: false,
    holding: 'nothing',
    step: 0,
    outcome: 'running',
  };
}

/** One control step; an episode that has ended stays as it is. `action` [A]. */
export function step(state: State, action: ArrayLike<number>): State {
  if (state.outcome !== 'running') return state;
  const { scene, arm } = state;
  const moved = arm.map(
    (value, i) => value + STEP * Math.min(1, Math.max(-1, action[POSE_DIMS[i]!]!)),
  ) as unknown as Pose;
  const closed = action[GRIPPER]! > 0.5;
  const next = { ...state, arm: moved, closed, step: state.step + 1 };
  if (hits(scene, arm, moved)) return { ...next, outcome: 'failure' };
  if (closed && !state.closed) {
    const taken = (['block', 'other'] as const).find((name) => isNear(moved, scene[name], GRASP));
    if (taken !== undefined) return { ...next, holding: taken };
  }
  if (!closed && state.holding !== 'nothing') {
    const inBin = Math.hypot(moved[0] - scene.bin[0], moved[1] - scene.bin[1]) < BIN_RADIUS;
    return { ...next, outcome: inBin && state.holding === 'block' ? 'success' : 'failure' };
  }
  return next.step >= LONGEST ? { ...next, outcome: 'failure' } : next;
}

/** The state after a whole chunk [H, A]. */
export function execute(state: State, chunk: Float32Array): State {
  let after = state;
  for (let t = 0; t < H; t++) after = step(after, chunk.subarray(t * A, (t + 1) * A));
  return after;
}

/** Whether every value of two poses is nearer than `distance`. */
export function isNear(a: Pose, b: Pose, distance: number): boolean {
  return a.every((value, i) => Math.abs(value - b[i]!) < distance);
}

function hits({ post, wall }: Scene, from: Pose, to: Pose): boolean {
  if (Math.hypot(to[0] - post.x, to[1] - post.y) < post.radius) return true;
  const crosses = from[0] < post.x !== to[0] < post.x;
  return crosses && wall !== 0 && Math.sign(to[1] - post.y) === wall;
}
