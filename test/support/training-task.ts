/** A small task to train on, and the card of a model that can learn it. */
import { fromFloat32, float32Tensor, type Tensor } from '../../src/tensor/tensor.js';
import { smallCard, uniform } from './bundles.js';

/** A model for the task below. */
export const TASK_CARD = smallCard({
  name: 'task',
  state_dim: 8,
  hidden: 16,
  action_dim: 3,
  readout: { kind: 'linear' },
  tau: 1,
});
/** Flags of losses that draw (dropout, negatives) and of gradients that wait for others. */
export const DRAWING_LOSSES = [
  ...['--loss', 'swap', '--loss', 'explicit:0.5', '--loss', 'rank:0.5'],
  ...['--accumulate', '2'],
] as const;
/** Rows, tokens, steps, dims, candidates. */
export const TASK_SHAPE = { M: 96, S: 4, H: 4, A: 3, N: 6 } as const;
const { M, S, H, A, N } = TASK_SHAPE;

/** A task that can be learnt: the first tokens say where to go, the expert goes there, candidates cost their distance. */
export function taskData(seed: number, changes: Readonly<Record<string, Tensor>> = {}): Map<string, Tensor> {
  const random = uniform(seed);
  const hidden = new Float32Array(M * S * 8);
  const actions = new Float32Array(M * H * A);
  const candidates = new Float32Array(M * N * H * A);
  const cost = new Float32Array(M * N);
  for (let m = 0; m < M; m++) {
    const goal = Array.from({ length: A }, () => 2 * random() - 1);
    for (let i = 0; i < S * 8; i++) hidden[m * S * 8 + i] = i % 8 < A ? goal[i % 8]! : random() - 0.5;
    for (let i = 0; i < H * A; i++) actions[m * H * A + i] = goal[i % A]! + 0.05 * (random() - 0.5);
    for (let n = 0; n < N; n++) {
      const off = Array.from({ length: A }, () => 2 * (random() - 0.5));
      for (let i = 0; i < H * A; i++) candidates[(m * N + n) * H * A + i] = goal[i % A]! + off[i % A]!;
      cost[m * N + n] = m % 3 === 0 ? 1 : Math.hypot(...off);
    }
  }
  const ids = Float32Array.from({ length: M }, (_, m) => Math.floor(m / 4));
  return new Map<string, Tensor>([
    ['hidden', fromFloat32('bfloat16', [M, S, 8], hidden)],
    ['actions', float32Tensor([M, H, A], actions)],
    ['candidates', float32Tensor([M, N, H, A], candidates)],
    ['candidate_cost', float32Tensor([M, N], cost)],
    ['episode_id', float32Tensor([M], ids)],
    [
      'outcome',
      float32Tensor(
        [M],
        ids.map((id) => id % 2),
      ),
    ],
    ...Object.entries(changes),
  ]);
}
