/** The corrected score as it is served is the one that calibration ranked by; it is named best only where data say so. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { corrected, scoresOf } from '../../../src/calibration/choice/candidate-table.js';
import { logDensities } from '../../../src/calibration/choice/density.js';
import { bestRule } from '../../../src/calibration/choice/fit-choice.js';
import { calibrate } from '../../../src/calibration/calibrate.js';
import { choosingScore } from '../../../src/calibration/apply.js';
import { collect } from '../../../src/calibration/collect.js';
import { priorCorrection } from '../../../src/calibration/correction.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { splitRows } from '../../../src/calibration/data/split.js';
import { seededRandom } from '../../../src/random.js';
import { float32Tensor } from '../../../src/tensor/tensor.js';
import { fakeEngine } from './fake-engine.js';
import { ACTION_DIM, STATE_DIM, STEPS, syntheticCard, syntheticTensors } from './synthetic.js';

const ROWS = 160;
const N = 5;
const card = syntheticCard();
const random = seededRandom(9);
const tensors = syntheticTensors(ROWS, 1).set(
  'candidates',
  float32Tensor(
    [ROWS, N, STEPS, ACTION_DIM],
    Float32Array.from({ length: ROWS * N * STEPS * ACTION_DIM }, () => 0.5 * random.normal()),
  ),
);
const data = await calibrationData([memoryColumns('d', tensors)], card);
const engine = fakeEngine(ACTION_DIM, STATE_DIM);
const calibration = await calibrate({ engine, card, weightsDigest: 'ab'.repeat(32), data });

describe('the correction', () => {
  it('of many chunks is the same by turns, with others served between them', async () => {
    const { density } = calibration.choice!;
    const count = 50_000;
    const chunks = Float32Array.from({ length: count * density!.size }, () => 0.5 * random.normal());
    const energies = new Float64Array(count);
    let others = 0;
    const other = (): void => {
      others++;
      turn = setImmediate(other);
    };
    let turn = setImmediate(other);
    const served = await priorCorrection(calibration).apply(energies, chunks);
    clearImmediate(turn);
    assert.deepEqual(served, corrected(energies, logDensities(density!, chunks), 1));
    assert.ok(others > 1);
  });

  it('gives the scores that the calibration was judged by', async () => {
    const { heldOut, clusters } = splitRows(data, 0);
    const units = new Float64Array(ACTION_DIM).fill(1);
    const plan = { kinds: [], omitted: [] };
    const { density } = calibration.choice!;
    const { candidates, rows } = await collect(data, heldOut, {
      ...{ engine, card, plan, units, clusters, batch: 16, seed: 0, nearDuplicate: 0.1, density },
    });
    const { better, scores } = calibration;
    const judged = scoresOf(candidates!, 'corrected', better, scores[better].temperature.tau)!;
    const correction = priorCorrection(calibration);
    assert.equal(correction.score, better);
    for (const [i, row] of rows.entries()) {
      const energies = candidates!.scores[better].subarray(i * N, (i + 1) * N);
      const served = await correction.apply(energies, await data.candidateChunks(row));
      assert.deepEqual(served, judged.slice(i * N, (i + 1) * N));
    }
  });

  it('refuses chunks of another length, and a calibration without a density', async () => {
    const { apply } = priorCorrection(calibration);
    await assert.rejects(
      apply(Float64Array.of(1, 2), new Float32Array(4)),
      /candidates: chunks of another length/,
    );
    const choice = { ...calibration.choice!, density: null };
    for (const without of [undefined, { ...calibration, choice }, { ...calibration, choice: null }]) {
      assert.throws(() => priorCorrection(without), /no density of chunks/);
    }
  });

  it('is named best only where its pick costs less beyond the interval', () => {
    const choice = calibration.report.choice!;
    const figure = (value: number): { value: number; low: number; high: number } => ({
      value,
      low: value - 0.1,
      high: value + 0.1,
    });
    const gain = { ...choice.gains[0]!, rule: 'gated_corrected', over_first: figure(0.9) };
    const curve = { rule: 'gated_corrected', costs: choice.levels.map(() => figure(-5)) };
    assert.ok(
      choice.curves.some(({ rule }) => rule === 'gated'),
      'a gate to choose behind',
    );
    const others = <T extends { readonly rule: string }>(all: readonly T[]): T[] =>
      all.filter(({ rule }) => rule !== 'gated_corrected');
    const report = {
      ...choice,
      gains: [...others(choice.gains), gain],
      curves: [...others(choice.curves), curve],
    };
    const named = (corrected: number): string | undefined =>
      bestRule({ ...report, corrected_gain: figure(corrected) }, 'readout', 'may_choose')?.score;
    assert.equal(named(0.3), 'corrected');
    assert.notEqual(named(0.05), 'corrected');
    assert.equal(
      bestRule({ ...report, corrected_gain: figure(0.3) }, 'readout', 'must_not_choose')?.score ?? 'readout',
      'readout',
    );
    const best = bestRule({ ...report, corrected_gain: figure(0.3) }, 'readout', 'may_choose');
    assert.equal(choosingScore({ better: 'readout', choice: { ...calibration.choice!, best } }), 'corrected');
  });
});
