/** Golden vectors against the engine and the losses, whoever made the vectors. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { scoreFile, type FileScores } from '../../src/offline/score-file.js';
import { openScoreData } from '../../src/data/score-data.js';
import { inMemory } from '../../src/data/tensor-file.js';
import { explicitInfoNce } from '../../src/energy/losses.js';
import {
  chunkDistance,
  hingeLoss,
  marginLoss,
  meanAbsoluteDifferences,
} from '../../src/energy/losses-margin.js';
import { startEngine } from '../../src/engine/start.js';
import { bundleFromCheckpoint } from '../../src/model/declare.js';
import type { ModelCard } from '../../src/model/card.js';
import type { Weights } from '../../src/model/weights.js';
import type { Score } from '../../src/model/energy.js';
import { toFloat32, type Tensor } from '../../src/tensor/tensor.js';
import { readCheckpoint, readTensors } from '../../src/weights/checkpoint.js';

/** Absolute; float32 on the engine against float64. */
const ENERGY_TOLERANCE = 2e-5;
const LOSS_TOLERANCE = 1e-4;
/** Of the windowed maximum, as in energy_model.py. */
const WINDOW = 3;

export interface Description {
  readonly activation: ModelCard['activation'];
  readonly energy: ModelCard['readout']['kind'];
  readonly heads?: number;
  readonly layer_norm_eps?: number;
  readonly pool?: 'learned' | 'windowed_max';
  readonly tau: number;
  readonly shapes: { readonly B: number; readonly M: number; readonly H: number };
}

export function describe(directory: string, name: string): Description {
  return JSON.parse(readFileSync(path.join(directory, `${name}.json`), 'utf8')) as Description;
}

/** Card and weights of a case, by way of its checkpoint. */
export async function goldenBundle(
  directory: string,
  name: string,
): Promise<{ readonly card: ModelCard; readonly weights: Weights }> {
  const { activation, energy, heads, tau, layer_norm_eps: layerNormEps, ...rest } = describe(directory, name);
  const windowed = rest.pool === 'windowed_max';
  const declared = {
    name,
    activation,
    readout: { kind: energy },
    tau,
    ...(heads === undefined ? {} : { heads }),
    ...(layerNormEps === undefined ? {} : { layerNormEps }),
    ...(windowed && { pool: { kind: 'windowed_max' as const, window: Math.min(WINDOW, rest.shapes.H) } }),
  };
  return bundleFromCheckpoint(
    await readCheckpoint(path.join(directory, `${name}.weights.pt`)),
    declared,
    name,
  );
}

/** Largest absolute difference of each value of a case from what the vectors expect. Errors: one beyond its tolerance. */
export async function compareCase(directory: string, name: string): Promise<Map<string, number>> {
  const file = (part: string): string => path.join(directory, `${name}.${part}`);
  const { tau, shapes } = describe(directory, name);
  const model = await goldenBundle(directory, name);
  const inputs = await readTensors(file('inputs.safetensors'));
  const expected = await readTensors(file('expected.safetensors'));

  const own = pick(inputs, { hidden: 'hidden', pad_mask: 'pad_mask', actions: 'actions' });
  const rivals = pick(inputs, { hidden: 'hidden', pad_mask: 'pad_mask', candidates: 'negatives' });
  const engine = await startEngine(model, { provider: 'cpu', threads: 2 });
  const run = async (tensors: Map<string, Tensor>, score: Score, matrix: boolean): Promise<FileScores> => {
    const { readout, pool } = model.card;
    const data = await openScoreData(inMemory(name, tensors), model.card);
    return scoreFile(engine, data, { readout, pool, tau, score, matrix });
  };
  let scores, logits, negatives: FileScores;
  try {
    scores = await run(own, 'readout', true);
    logits = await run(own, 'logit', false);
    negatives = await run(rivals, 'readout', false);
  } finally {
    await engine.close();
  }

  const differences = new Map<string, number>();
  const check = (key: string, found: readonly number[], tolerance: number): void => {
    const wanted = expected.get(key);
    if (!wanted) return; // the given global_context vectors have no raw_steps
    differences.set(key, close(`${name}: ${key}`, found, wanted, tolerance));
  };
  const { B, M } = shapes;
  const matrix = scores.matrix!;
  const positive = scores.contexts.flatMap(({ energies }) => [...energies]);
  const negative = negatives.contexts.flatMap(({ energies }) => [...energies]); // [B, M]
  check(
    'raw_steps',
    logits.contexts.flatMap(({ steps }) => [...steps]),
    ENERGY_TOLERANCE,
  );
  check(
    'steps',
    scores.contexts.flatMap(({ steps }) => [...steps]),
    ENERGY_TOLERANCE,
  );
  check('energy', positive, ENERGY_TOLERANCE);
  check('matrix', [...matrix.energies], ENERGY_TOLERANCE);
  check('positive_energy', [matrix.positiveEnergy], ENERGY_TOLERANCE);
  check('negative_energy', [matrix.negativeEnergy], ENERGY_TOLERANCE);
  check('swap_infonce', [matrix.loss], LOSS_TOLERANCE);
  const explicit = explicitInfoNce(positive, negative, tau);
  check('explicit_infonce', [explicit.loss], LOSS_TOLERANCE);
  check('explicit_negative_energy', [explicit.negativeEnergy], ENERGY_TOLERANCE);
  const actions = toFloat32('actions', inputs.get('actions')!);
  const firstOf = <T>(rows: ArrayLike<T>): T[] => {
    const length = rows.length / (B * M);
    return Array.from(rows).filter((_, k) => Math.floor(k / length) % M === 0);
  };
  const distance = chunkDistance(actions, firstOf(toFloat32('negatives', inputs.get('negatives')!)), B);
  check('hinge', [hingeLoss(positive, firstOf(negative), distance)], LOSS_TOLERANCE);
  const difference = meanAbsoluteDifferences(actions, B);
  check('margin_swap', [marginLoss(matrix.energies, difference, B)], LOSS_TOLERANCE);
  assert.ok(
    differences.size >= (expected.has('raw_steps') ? 11 : 10),
    `${name}: only ${[...differences.keys()].join(', ')} compared`,
  );
  return differences;
}

/** The tensors of `from` under the keys of a score file; an absent mask stays absent. */
function pick(
  from: ReadonlyMap<string, Tensor>,
  keys: Readonly<Record<string, string>>,
): Map<string, Tensor> {
  return new Map(
    Object.entries(keys).flatMap(([key, source]) => {
      const tensor = from.get(source);
      return tensor ? [[key, tensor] as const] : [];
    }),
  );
}

function close(what: string, found: readonly number[], wanted: Tensor, tolerance: number): number {
  assert.equal(wanted.dtype, 'float64', what);
  const values = new Float64Array(wanted.bytes.slice().buffer);
  assert.equal(found.length, values.length, what);
  const worst = values.reduce((highest, value, i) => {
    const difference = Math.abs(found[i]! - value);
    return difference <= highest ? highest : difference; // NaN takes over and fails below
  }, 0);
  assert.ok(worst <= tolerance, `${what}: differs by ${worst}, allowed ${tolerance}`);
  return worst;
}
