/** What AUTO applies: only rules whose cost is known in all rows are reported on, and so compete. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plantedTable, VERIFIERS } from '../../../bench/gate-simulation.js';
import { calibrate } from '../../../src/calibration/calibrate.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { controlReport } from '../../../src/calibration/choice/control.js';
import { bestRule } from '../../../src/calibration/choice/fit-choice.js';
import type { ChoiceReport } from '../../../src/calibration/choice/choice-schema.js';
import { seededRandom } from '../../../src/random.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import { fakeEngine } from './fake-engine.js';
import {
  ACTION_DIM,
  STATE_DIM,
  STEPS,
  syntheticCard,
  syntheticTensors,
  withCandidates,
} from './synthetic.js';

const RULE = 'readout/consensus_mean';
const LEVELS = 4; // of 8 candidates

test('an average whose cost one row lacks is left out; known in all rows it may be the best rule', () => {
  const planted = plantedTable(VERIFIERS[0]!, { episodes: 40, contexts: 10, candidates: 8 }, seededRandom(1));
  const reported = (costs: Float64Array): ChoiceReport =>
    controlReport(
      { ...planted, rules: new Map([...planted.rules, [RULE, costs]]) },
      {
        better: 'readout',
        tau: 1,
        experts: { n: 1, values: [0], at_least: [1] },
        gates: { readout: null, logit: null, corrected: null },
      },
    );
  const free = new Float64Array(planted.rows * LEVELS); // costs nothing anywhere
  const best = reported(free);
  assert.equal(bestRule(best, 'readout', 'may_choose')?.rule, 'consensus_mean');
  const gain = best.gains.find(({ rule }) => rule === 'consensus_mean')!;
  assert.ok(gain.regret_recovered.value! >= 1, 'nothing costs less');

  const lacking = reported(free.with(7 * LEVELS + LEVELS - 1, NaN));
  assert.ok(lacking.curves.every(({ rule }) => rule !== 'consensus_mean'));
  assert.ok(lacking.gains.every(({ rule }) => rule !== 'consensus_mean'));
  assert.equal(bestRule(lacking, 'readout', 'may_choose'), null);

  const fewer = reported(free.with(7 * LEVELS + 1, NaN)).curves.find(({ rule }) => rule === 'consensus_mean');
  assert.deepEqual(
    fewer!.costs.map(({ value }) => value),
    [0, null, 0, 0],
    'the level that a row lacks is not defined',
  );
});

test('with given costs the mean has one where the data hold it as a candidate', async () => {
  const rows = 80;
  const width = 4;
  const tensors = withCandidates(syntheticTensors(rows, 1), width);
  assert.equal(await costOfMean(tensors), undefined);
  const size = STEPS * ACTION_DIM;
  const chunks = new Float32Array(tensors.get('candidates')!.bytes.slice().buffer);
  // three corners around their mean, which is the last: one mode
  const corners = [
    [0.02, 0],
    [-0.01, 0.0173],
    [-0.01, -0.0173],
    [0, 0],
  ] as const;
  for (let at = 0; at < rows * width; at++) {
    const [row, k] = [Math.floor(at / width), at % width];
    for (let i = 0; i < size; i++) {
      chunks[at * size + i] = 0.01 * row + (corners[k]![i] ?? 0);
    }
  }
  const costs = Float32Array.from({ length: rows * width }, (_, at) => [1, 1, 1, 0.25][at % width]!);
  tensors.set('candidates', float32Tensor([rows, width, STEPS, ACTION_DIM], chunks));
  tensors.set('candidate_cost', float32Tensor([rows, width], costs));
  assert.equal(await costOfMean(tensors), 0.25);
});

async function costOfMean(tensors: Map<string, Tensor>): Promise<number | null | undefined> {
  const card = syntheticCard({ actions: { units: 'normalized_q99' } });
  const data = await calibrationData([memoryColumns('d', tensors)], card);
  const { report } = await calibrate({
    engine: fakeEngine(ACTION_DIM, STATE_DIM),
    card,
    weightsDigest: 'ab'.repeat(32),
    data,
  });
  return report.choice!.curves.find(({ rule }) => rule === 'consensus_mean')?.costs.at(-1)!.value;
}
