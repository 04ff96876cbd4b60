/** Two checkpoints on the same rows: paired differences see what separate intervals do not, and nothing where there is nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calibrate, evaluateCalibration } from '../../../src/calibration/calibrate.js';
import { compareModels, type CompareSide } from '../../../src/calibration/compare.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { renderPage } from '../../../src/calibration/report/html/page.js';
import { reportTables } from '../../../src/calibration/report/tables/report-tables.js';
import {
  comparisonRemarks,
  comparisonTable,
} from '../../../src/calibration/report/tables/comparison-table.js';
import type { Engine } from '../../../src/engine/engine.js';
import { seededRandom } from '../../../src/random.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import { fakeEngine } from './fake-engine.js';
import { ACTION_DIM, STATE_DIM, STEPS, syntheticCard, syntheticTensors } from './synthetic.js';

const ROWS = 120;
const N = 4;
const DIGEST = 'ab'.repeat(32);

function withCandidates(tensors: Map<string, Tensor>): Map<string, Tensor> {
  const random = seededRandom(5);
  const actions = new Float32Array(tensors.get('actions')!.bytes.slice().buffer);
  const size = STEPS * ACTION_DIM;
  const chunks = new Float32Array(ROWS * N * size);
  for (let at = 0; at < ROWS * N; at++) {
    const away = 0.1 + 0.5 * random.uniform();
    const row = Math.floor(at / N);
    for (let i = 0; i < size; i++) chunks[at * size + i] = actions[row * size + i]! + away * random.normal();
  }
  return tensors.set('candidates', float32Tensor([ROWS, N, STEPS, ACTION_DIM], chunks));
}

/** The same model with some noise in its raw values: a little worse. */
function noisyEngine(noise: number): Engine {
  const engine = fakeEngine(ACTION_DIM, STATE_DIM);
  const random = seededRandom(8);
  return {
    ...engine,
    run: async (batch) => {
      const result = await engine.run(batch);
      const scored = result.scored.map((outcome) =>
        outcome.ok
          ? { ok: true as const, value: outcome.value.map((raw) => raw + noise * random.normal()) }
          : outcome,
      );
      return { ...result, scored };
    },
  };
}

async function side(
  engine: Engine,
  tensors: Map<string, Tensor>,
  changes: Record<string, unknown> = {},
): Promise<CompareSide> {
  const card = syntheticCard(changes);
  const data = await calibrationData([memoryColumns('d', tensors)], card);
  return { engine, card, weightsDigest: DIGEST, data, calibration: undefined };
}

const good = (): Engine => fakeEngine(ACTION_DIM, STATE_DIM);

describe('two checkpoints', () => {
  it('a worse one is found worse by what decides, either way round', async () => {
    const tensors = withCandidates(syntheticTensors(ROWS, 1));
    const { comparison, named } = await compareModels(
      await side(good(), tensors),
      await side(noisyEngine(1.5), tensors),
    );
    const [cost] = comparison.figures;
    assert.equal(cost!.name, 'cost of its pick');
    assert.ok(cost!.advantage.low! > 0, JSON.stringify(cost));
    assert.ok(Math.abs(cost!.advantage.value! - (cost!.b.value! - cost!.a.value!)) < 1e-12);
    const byName = new Map(comparison.figures.map((figure) => [figure.name, figure]));
    assert.ok(
      byName.get('InfoNCE loss')!.advantage.low! > 0 && byName.get('win rate, swap')!.advantage.low! > 0,
    );
    assert.match(comparisonRemarks(comparison)[0]!, /^A is better by the cost of its pick/);
    const { comparison: reversed } = await compareModels(
      await side(noisyEngine(1.5), tensors),
      await side(good(), tensors),
    );
    assert.match(comparisonRemarks(reversed)[0]!, /^B is better by the cost of its pick/);
    const page = renderPage(named);
    assert.match(page, /synthetic against synthetic/);
    assert.match(page, /A against B.*A alone.*May it choose\?.*By task/s, 'the report on A stands below');
    assert.doesNotMatch(page, /NaN|undefined|<script/);
  });

  it('a model against itself shows no difference, and without candidates the loss decides', async () => {
    const tensors = syntheticTensors(ROWS, 1);
    const { comparison, named } = await compareModels(
      await side(good(), tensors),
      await side(good(), tensors),
    );
    assert.equal(comparison.figures[0]!.name, 'InfoNCE loss');
    for (const { advantage } of comparison.figures) {
      assert.deepEqual([advantage.value, advantage.low, advantage.high], [0, 0, 0]);
    }
    assert.match(comparisonRemarks(comparison)[0]!, /^No difference shown by the InfoNCE loss/);
    assert.ok(comparisonTable(comparison).rows.every((row) => row.at(-1) === 'not shown'));
    // half of the rows were fitted on, and the report is that of calibrate on the other half
    const { report } = await calibrate(await side(good(), tensors));
    assert.deepEqual(named.report, report);
    assert.ok(comparison.rows <= ROWS / 2 + 10 && comparison.a.calibration === null);
  });

  it('calibrated ones are compared on all rows, and rows that were fitted on are counted', async () => {
    const tensors = syntheticTensors(ROWS, 1);
    const plain = await side(good(), tensors);
    const calibration = await calibrate(plain);
    const calibrated = { ...plain, calibration };
    const { comparison, named } = await compareModels(calibrated, calibrated);
    assert.equal(comparison.rows, ROWS);
    assert.equal(comparison.a.calibration, calibration.version);
    assert.equal(comparison.a.fitted_before, calibration.data.split.fit_rows);
    assert.deepEqual(named.report, await evaluateCalibration(calibration, plain), 'the report of evaluate');
    assert.equal(named.version, calibration.version);
    assert.ok(reportTables(named).some(({ name }) => name === 'comparison'));
    assert.match(
      comparisonRemarks(comparison).join('\n'),
      /60 of the 120 rows were fitted on by the calibration of A/,
    );
  });

  it('cards that mean different actions are refused', async () => {
    const tensors = syntheticTensors(ROWS, 1);
    const raw = await side(good(), tensors, { actions: { units: 'raw' } });
    await assert.rejects(
      compareModels(await side(good(), tensors), raw),
      /--against: the two cards mean different actions/,
    );
  });
});
