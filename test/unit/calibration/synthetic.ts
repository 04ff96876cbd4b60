/** Synthetic calibration data that `fakeEngine` understands, and a card for it. */
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData, type CalibrationData } from '../../../src/calibration/data/calibration-data.js';
import { seededRandom } from '../../../src/random.js';
import { cardSchema, type ModelCard } from '../../../src/model/card.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';

export const STATE_DIM = 12;
export const ACTION_DIM = 7;
export const TOKENS = 4;
export const STEPS = 8;

export function syntheticCard(changes: Record<string, unknown> = {}): ModelCard {
  return cardSchema.parse({
    format: 'action-energy/1',
    architecture: 'cross_attention',
    name: 'synthetic',
    activation: 'relu',
    readout: { kind: 'sigmoid' },
    state_dim: STATE_DIM,
    action_dim: ACTION_DIM,
    hidden: 8,
    heads: 2,
    blocks: { state: 1, action: 1, head: 2 },
    tau: 0.5,
    actions: {
      units: 'normalized_q99',
      gripper: { index: 6, coding: 'zero_one' },
      names: ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'],
    },
    mask_polarity: 'true_is_ignored',
    ...changes,
  });
}

/** Episodes of `episodeRows`; the context holds the wanted action with some error, so that no model could be perfect. */
export function syntheticTensors(rows: number, seed: number, episodeRows = 10): Map<string, Tensor> {
  const random = seededRandom(seed);
  const hidden = Float32Array.from({ length: rows * TOKENS * STATE_DIM }, () => random.normal());
  const actions = new Float32Array(rows * STEPS * ACTION_DIM);
  for (let row = 0; row < rows; row++) {
    for (let d = 0; d < ACTION_DIM; d++) {
      const wanted = d === 6 ? random.below(2) : 0.45 * random.normal();
      hidden[row * TOKENS * STATE_DIM + d] = wanted + (d === 6 ? 0.1 : 0.35) * random.normal();
      for (let t = 0; t < STEPS; t++) {
        actions[(row * STEPS + t) * ACTION_DIM + d] = d === 6 ? wanted : wanted + 0.05 * random.normal();
      }
    }
  }
  const ids = (of: (row: number) => number): Tensor =>
    float32Tensor(
      [rows],
      Float32Array.from({ length: rows }, (_, row) => of(row)),
    );
  return new Map([
    ['hidden', float32Tensor([rows, TOKENS, STATE_DIM], hidden)],
    ['actions', float32Tensor([rows, STEPS, ACTION_DIM], actions)],
    ['episode_id', ids((row) => Math.floor(row / episodeRows))],
    ['task_id', ids((row) => Math.floor(row / episodeRows) % 4)],
    ['step', ids((row) => row % episodeRows)],
  ]);
}

/** Adds `count` samples of the policy a row, the expert's chunk with noise of a size of its own; the larger, the likelier its cost is 1 and not 0. */
export function withCandidates(tensors: Map<string, Tensor>, count: number): Map<string, Tensor> {
  const random = seededRandom(5);
  const { shape, bytes } = tensors.get('actions')!;
  const experts = new Float32Array(bytes.slice().buffer);
  const [rows, size] = [shape[0]!, STEPS * ACTION_DIM];
  const candidates = new Float32Array(rows * count * size);
  const costs = new Float32Array(rows * count);
  for (let at = 0; at < rows * count; at++) {
    const row = Math.floor(at / count);
    const sigma = random.uniform() * 0.8;
    for (let i = 0; i < size; i++) {
      candidates[at * size + i] =
        experts[row * size + i]! + (i % ACTION_DIM === 6 ? 0 : sigma * random.normal());
    }
    costs[at] = random.uniform() < sigma ? 1 : 0;
  }
  return new Map([
    ...tensors,
    ['candidates', float32Tensor([rows, count, STEPS, ACTION_DIM], candidates)],
    ['candidate_cost', float32Tensor([rows, count], costs)],
  ]);
}

export async function syntheticData(rows: number, seed = 1): Promise<CalibrationData> {
  return calibrationData([memoryColumns('synthetic', syntheticTensors(rows, seed))], syntheticCard());
}
