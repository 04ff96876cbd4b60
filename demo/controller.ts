/**
 * How an arm gets around the post: one controller for the expert and for the policy, which differ in what they intend. A chunk
 * is what the controller would do in the next H steps of a world that it imagines.
 */
import { fromFloat32, toFloat32 } from '../src/tensor/tensor.js';
import type { Random } from '../src/random.js';
import {
  A,
  GRIPPER,
  H,
  isNear,
  POSE_DIMS,
  step,
  STEP,
  type Pose,
  type Scene,
  type Side,
  type State,
} from './world.js';

type Point = readonly [x: number, y: number];

export interface Intent {
  readonly target: 'block' | 'other';
  /** Which way around the post. */
  readonly side: Side;
  /** Distance that is kept from the post. */
  readonly clearance: number;
  /** Error of the goal's pose. */
  readonly aim: Pose;
  /** Distance from the goal at which the gripper moves. */
  readonly haste: number;
  /** Share of the speed. */
  readonly gain: number;
}

export const EXACT: Pose = [0, 0, 0, 0];
/** Distance at which the arm slows down. */
const SLOW = 0.12;
const HAND_NOISE = 0.06;
/** Distance from the goal at which the expert moves the gripper. */
export const PATIENT = 0.05;
const EXPERT_CLEARANCE = 0.1;
/** Where on the way past the post the corners lie, in distances kept from its middle. */
const CORNER = 0.8;

export function expertIntent(state: State): Intent {
  const { wall } = state.scene;
  const side = wall === 0 ? shortSide(state) : (-wall as Side);
  return { target: 'block', side, clearance: EXPERT_CLEARANCE, aim: EXACT, haste: PATIENT, gain: 1 };
}

/** [H, A], in values that bfloat16 holds, as a policy computes in it. */
export function chunkFor(state: State, intent: Intent, random: Random): Float32Array {
  const chunk = new Float32Array(H * A);
  let imagined = state;
  for (let t = 0; t < H; t++) {
    const action = chunk.subarray(t * A, (t + 1) * A);
    action.set(actionFor(imagined, intent));
    for (let dim = 0; dim < GRIPPER; dim++) {
      action[dim] = Math.min(1, Math.max(-1, action[dim]! + HAND_NOISE * random.normal()));
    }
    imagined = step(imagined, action);
  }
  return toFloat32('chunk', fromFloat32('bfloat16', [H, A], chunk));
}

/** The side of the shorter way to where the arm has to go. */
export function shortSide(state: State): Side {
  const length = (side: Side): number => {
    const goal = goalOf(state, 'block');
    const [first, second] = corners(state.scene, Math.sign(goal[0] - state.arm[0]), side, EXPERT_CLEARANCE);
    return distance(state.arm, first) + distance(first, second) + distance(second, goal);
  };
  return length(1) < length(-1) ? 1 : -1;
}

function actionFor(state: State, { target, side, clearance, aim, haste, gain }: Intent): Float32Array {
  const goal = goalOf(state, target).map((value, i) => value + aim[i]!) as unknown as Pose;
  const [x, y] = wayTo(goal, state, side, clearance);
  const isGoal = x === goal[0] && y === goal[1];
  const move = [x, y, goal[2], goal[3]].map((value, i) => (value - state.arm[i]!) / SLOW);
  const length = Math.hypot(move[0]!, move[1]!);
  const speed = isGoal ? Math.max(1, length) : length;
  const action = new Float32Array(A);
  for (const [i, dim] of POSE_DIMS.entries()) {
    action[dim] = gain * (i < 2 ? move[i]! / speed : Math.min(1, Math.max(-1, move[i]!)));
  }
  const there = isNear(state.arm, goal, haste);
  action[GRIPPER] = (state.holding === 'nothing') === there ? 1 : 0;
  return action;
}

function goalOf({ scene, holding }: State, target: Intent['target']): Pose {
  return holding === 'nothing' ? scene[target] : scene.bin;
}

/** Where to head for: the goal, or the next corner of the way around the post. */
function wayTo(goal: Pose, { scene, arm }: State, side: Side, clearance: number): Point {
  const { post } = scene;
  const end: Point = [goal[0], goal[1]];
  const isBeside = Math.abs(arm[0] - post.x) < CORNER * post.radius;
  if (!isBeside && arm[0] < post.x === goal[0] < post.x) return end;
  // beside the post there is no changing sides
  const taken = isBeside ? (arm[1] < post.y ? -1 : 1) : side;
  const heading = Math.sign(goal[0] - post.x);
  const isAhead = (corner: Point): boolean =>
    heading * (corner[0] - arm[0]) > 0 && distance(arm, corner) > STEP;
  return corners(scene, heading, taken, clearance).find(isAhead) ?? end;
}

/** The two corners of a way around the post in the order in which who heads for +x (1) or -x (-1) meets them. */
function corners({ post }: Scene, heading: number, side: Side, clearance: number): readonly [Point, Point] {
  const kept = post.radius + clearance;
  const y = post.y + side * kept;
  return [
    [post.x - heading * CORNER * kept, y],
    [post.x + heading * CORNER * kept, y],
  ];
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!);
}
