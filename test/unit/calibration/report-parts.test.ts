/** The parts of the report that name rows, tasks and relations, against what the same data say by other means. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { collect } from '../../../src/calibration/collect.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData, type CalibrationData } from '../../../src/calibration/data/calibration-data.js';
import { planNegatives } from '../../../src/calibration/data/negatives.js';
import type { Observations } from '../../../src/calibration/observations.js';
import { hardestReport } from '../../../src/calibration/report/hardest.js';
import { lossReports } from '../../../src/calibration/report/wrong-chunks.js';
import { sliceReports } from '../../../src/calibration/report/slices.js';
import { structureReport } from '../../../src/calibration/report/structure.js';
import { explicitInfoNce, swapInfoNce } from '../../../src/energy/losses.js';
import {
  chunkDistance,
  hingeLoss,
  marginLoss,
  meanAbsoluteDifferences,
} from '../../../src/energy/losses-margin.js';
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

const SIZE = STEPS * ACTION_DIM;
const NO_GATES = { readout: null, logit: null, corrected: null };

async function observed(
  tensors: Map<string, Tensor>,
  batch: number,
  nearDuplicate = 0,
): Promise<{ data: CalibrationData; observations: Observations; plan: ReturnType<typeof planNegatives> }> {
  const card = syntheticCard();
  const data = await calibrationData([memoryColumns('file', tensors)], card);
  const units = new Float64Array(ACTION_DIM).fill(1);
  const plan = planNegatives(data, card, units, 0);
  const rows = Int32Array.from({ length: data.rows }, (_, row) => row);
  const observations = await collect(data, rows, {
    engine: fakeEngine(ACTION_DIM, STATE_DIM),
    card,
    plan,
    units,
    clusters: Int32Array.from(data.episode!),
    batch,
    seed: 0,
    nearDuplicate,
    density: null,
  });
  return { data, observations, plan };
}

function values(tensors: Map<string, Tensor>, name: string): Float32Array {
  return new Float32Array(tensors.get(name)!.bytes.slice().buffer);
}

function near(found: number | null, wanted: number, tolerance = 1e-9): void {
  assert.ok(found !== null && Math.abs(found - wanted) <= tolerance, `${found} is not ${wanted}`);
}

describe('losses of the report', () => {
  it('are those of docs/model.md', async () => {
    const B = 24;
    const tensors = syntheticTensors(B, 3);
    const negatives = Float32Array.from({ length: B * 2 * SIZE }, (_, i) => Math.sin(i) / 2);
    tensors.set('negatives', float32Tensor([B, 2, STEPS, ACTION_DIM], negatives));
    const { observations, plan } = await observed(tensors, B);
    const { groups, negatives: scores } = observations.readout;
    const reports = lossReports(observations, plan, { card: 0.5, fitted: 0.2 });
    const found = (loss: string, kind: string): (typeof reports)[number] =>
      reports.find((each) => each.loss === loss && each.negatives === kind)!;
    near(found('swap_infonce', 'swap').value.value, swapInfoNce(groups.scores, B, 0.5).loss);
    near(found('swap_infonce', 'swap').fitted!.value, swapInfoNce(groups.scores, B, 0.2).loss);
    near(found('swap_infonce', 'swap').chance, Math.log(B));
    // rows and chunks of the one batch stand in one order
    const actions = values(tensors, 'actions');
    const inOrder = [...observations.rows].flatMap((row) => [
      ...actions.subarray(row * SIZE, (row + 1) * SIZE),
    ]);
    near(
      found('margin', 'swap').value.value,
      marginLoss(groups.scores, meanAbsoluteDifferences(inOrder, B), B),
    );
    const own = Float64Array.from({ length: B }, (_, i) => groups.scores[i * B + i]!);
    const explicit = scores.get('explicit')!;
    near(found('explicit_infonce', 'explicit').value.value, explicitInfoNce(own, explicit, 0.5).loss);
    near(found('explicit_infonce', 'explicit').chance, Math.log(3));
    // hinge over both negatives of each row: the mean of two single ones
    const hinges = [0, 1].map((m) => {
      const chunks = [...observations.rows].flatMap((row) => [
        ...negatives.subarray((row * 2 + m) * SIZE, (row * 2 + m + 1) * SIZE),
      ]);
      const energies = Float64Array.from({ length: B }, (_, i) => explicit[i * 2 + m]!);
      return hingeLoss(own, energies, chunkDistance(inOrder, chunks, B));
    });
    near(found('hinge', 'explicit').value.value, (hinges[0]! + hinges[1]!) / 2);
    assert.equal(found('hinge', 'explicit').fitted, null);
  });
});

describe('off the diagonal', () => {
  it('each pair stands in one relation, and a copied chunk is a near-duplicate', async () => {
    const tensors = syntheticTensors(48, 1, 6);
    const actions = values(tensors, 'actions');
    // row 24, of the same task as row 0 (episodes 4 and 0), has its chunk; row 7 too, of another task
    for (const row of [24, 7]) actions.copyWithin(row * SIZE, 0, SIZE);
    tensors.set('actions', float32Tensor([48, STEPS, ACTION_DIM], actions));
    const { data, observations } = await observed(tensors, 48, 1e-6);
    const { relations, distance_correlation: correlation } = structureReport(observations, 'readout', data);
    const pairs = Object.fromEntries(relations.map((each) => [each.relation, each.pairs]));
    // 8 episodes of 6 rows, tasks of 2 episodes each
    assert.deepEqual(pairs, {
      near_duplicate: 2,
      same_episode: 48 * 5,
      same_task: 48 * 6 - 2,
      other_task: 48 * 36,
    });
    // the fake energy is a distance, so it follows the distance
    assert.ok(correlation.value! > 0.5, `${correlation.value}`);
    const { scores, width } = observations.readout.groups;
    let lost = 0;
    observations.rows.forEach((_, row) => {
      const own = scores[row * width + row]!;
      const others = Array.from({ length: width }, (_, j) => j).filter(
        (j) => j !== row && observations.readout.groups.usable[row * width + j],
      );
      if (others.some((j) => scores[row * width + j]! <= own)) lost++;
    });
    assert.equal(
      relations.reduce((sum, each) => sum + each.lost, 0),
      lost,
    );
  });

  it('without task and episode there is one relation, and no gap', async () => {
    const tensors = syntheticTensors(20, 1);
    const { observations } = await observed(tensors, 20);
    const structure = structureReport(observations, 'readout', {
      task: undefined,
      episode: undefined,
      step: undefined,
    });
    assert.deepEqual(
      structure.relations.map(({ relation, pairs }) => [relation, pairs]),
      [['other', 20 * 19]],
    );
    assert.equal(structure.win_rate_gap.value, null);
  });
});

describe('hardest rows', () => {
  it('a row whose context wants another chunk is the first, and its rival is named', async () => {
    const tensors = syntheticTensors(40, 2);
    const hidden = values(tensors, 'hidden');
    const actions = values(tensors, 'actions');
    const stride = 4 * STATE_DIM;
    for (let row = 0; row < 40; row++) {
      hidden.set(actions.subarray(row * SIZE, row * SIZE + ACTION_DIM), row * stride); // no error
    }
    hidden.copyWithin(17 * stride, 33 * stride, 34 * stride); // row 17 wants what row 33 wants
    tensors.set('hidden', float32Tensor([40, 4, STATE_DIM], hidden));
    const { data, observations } = await observed(tensors, 40);
    const { experts, picks } = hardestReport(observations, 'readout', 0.1, data);
    assert.deepEqual(picks, []);
    assert.equal(experts.length, 10);
    const { row, task, episode, step, energy, lowest_other: other } = experts[0]!;
    assert.deepEqual([row, task, episode, step], [17, 1, 1, 7]);
    assert.equal(other.row, 33);
    assert.equal(other.relation, 'other_task');
    assert.ok(other.energy < energy);
    assert.ok(experts.every((each, i) => i === 0 || each.loss <= experts[i - 1]!.loss));
  });

  it('the worst picks are those that cost most above the first', async () => {
    const tensors = withCandidates(syntheticTensors(60, 2), 4);
    const { data, observations } = await observed(tensors, 20);
    const { picks } = hardestReport(observations, 'readout', 0.1, data);
    const costs = values(tensors, 'candidate_cost');
    assert.ok(picks.length > 0);
    for (const { row, candidate, cost, cost_of_first: first, least_cost: least, ...pick } of picks) {
      assert.equal(cost, costs[row * 4 + candidate]);
      assert.equal(first, costs[row * 4]);
      assert.equal(least, Math.min(...costs.subarray(row * 4, row * 4 + 4)));
      assert.ok(cost > first && pick.energy <= pick.energy_of_first);
    }
  });
});

describe('slices', () => {
  it('by task and by time hold every row once, and find the task that the model does not know', async () => {
    const tensors = syntheticTensors(200, 4);
    const hidden = values(tensors, 'hidden');
    const tasks = values(tensors, 'task_id');
    hidden.forEach((_, i) => {
      if (tasks[Math.floor(i / (4 * STATE_DIM))] === 2) hidden[i] = 0; // task 2 gives no context
    });
    tensors.set('hidden', float32Tensor([200, 4, STATE_DIM], hidden));
    const { data, observations } = await observed(withCandidates(tensors, 4), 40);
    const options = { better: 'readout', tau: 0.1, gates: NO_GATES, ids: data } as const;
    const { by_task: byTask, by_time: byTime } = sliceReports(observations, options);
    assert.deepEqual(
      byTask.map(({ name, rows, clusters }) => [name, rows, clusters]),
      ['0', '1', '2', '3'].map((name) => [name, 50, 5]),
    );
    assert.equal(
      byTime.reduce((sum, { rows }) => sum + rows, 0),
      200,
    );
    assert.equal(byTime[0]!.name, '0 to 1');
    const [worst] = byTask.toSorted((a, b) => b.loss.value! - a.loss.value!);
    assert.equal(worst!.name, '2');
    assert.ok(worst!.top1.value! < byTask[0]!.top1.value! - 0.2);
    assert.ok(byTask[0]!.over_random!.value! > 0 && byTask[0]!.coverage === null, JSON.stringify(byTask[0]));
    const mean = byTask.reduce((sum, { energy }) => sum + energy.value!, 0) / 4;
    const { groups } = observations.readout;
    const own = observations.rows.map((_, row) => row * groups.width + groups.own[row]!);
    near(mean, own.reduce((sum, at) => sum + groups.scores[at]!, 0) / 200, 1e-9);
  });
});
