/** A small task to train on, the card of a model that can learn it, and runs of `train` on it that may be killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ModelCard } from '../../src/model/card.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
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

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
/** Between two looks at a log. */
const LOOK_MS = 2;

/** A folder with a task in it, and what `train` leaves there by name. */
export class TaskFolder {
  readonly data: string;
  readonly card: string;

  private constructor(readonly directory: string) {
    this.data = path.join(directory, 'data.safetensors');
    this.card = path.join(directory, 'card.json');
  }

  static async make(
    directory: string,
    tensors = taskData(1),
    card: ModelCard = TASK_CARD,
  ): Promise<TaskFolder> {
    const folder = new TaskFolder(directory);
    await writeFile(folder.data, writeSafetensors(tensors));
    await writeFile(folder.card, JSON.stringify(card));
    return folder;
  }

  /** `train` a new model `name`. */
  args(name: string, ...more: readonly string[]): string[] {
    return ['train', this.data, '--card', this.card, '-o', path.join(this.directory, name), ...more];
  }

  start(name: string, ...more: readonly string[]): ChildProcess {
    const args = [MAIN, ...this.args(name, ...more)];
    return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  weights(name: string): Promise<Buffer> {
    return readFile(path.join(this.directory, name, 'weights.safetensors'));
  }

  /** Lines; none where nothing was logged yet. */
  async log(name: string): Promise<string[]> {
    const file = path.join(this.directory, `${name}.training`, 'log.jsonl');
    return (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  }

  /**
   * Kills a run once its log has more than `lines` lines and `afterMs` have gone by. False: it had ended before, well.
   * Errors: it ended badly.
   */
  async kill(name: string, child: ChildProcess, lines: number, afterMs = 0): Promise<boolean> {
    const ended = once(child, 'exit') as Promise<[code: number | null]>;
    while (child.exitCode === null && (await this.log(name)).length <= lines) await delay(LOOK_MS);
    await delay(afterMs);
    child.kill('SIGKILL');
    const [code] = await ended;
    if (code !== null && code !== 0) throw new Error(`train ended with ${code}`);
    return code === null;
  }
}
