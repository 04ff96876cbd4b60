/** Calibration from end to end against an engine made of arithmetic. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyCalibration } from '../../../src/calibration/apply.js';
import { calibrate, evaluateCalibration } from '../../../src/calibration/calibrate.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { planNegatives } from '../../../src/calibration/data/negatives.js';
import { splitRows } from '../../../src/calibration/data/split.js';
import { collect } from '../../../src/calibration/collect.js';
import { swapScores } from '../../../src/calibration/metrics/groups.js';
import { infonceRows } from '../../../src/calibration/metrics/infonce.js';
import { weightedMean } from '../../../src/calibration/metrics/weighted.js';
import { renderPage } from '../../../src/calibration/report/html/page.js';
import { calibrationSchema } from '../../../src/calibration/calibration-schema.js';
import { int8Objection } from '../../../src/calibration/report/precision.js';
import { summaryText } from '../../../src/calibration/report/summary.js';
import { float32Tensor } from '../../../src/tensor/tensor.js';
import { seededRandom } from '../../../src/random.js';
import { calibrated, DIGEST, engineFor } from './calibrated.js';
import { fakeEngine } from './fake-engine.js';
import {
  ACTION_DIM,
  STATE_DIM,
  STEPS,
  syntheticCard,
  syntheticData,
  syntheticTensors,
  TOKENS,
} from './synthetic.js';

describe('calibrate', () => {
  it('fits, reports, and is a valid file', async () => {
    const calibration = await calibrated(await syntheticData(300));
    assert.deepEqual(calibrationSchema.parse(JSON.parse(JSON.stringify(calibration))), calibration);
    const { report, scores, data } = calibration;
    assert.equal(scores.readout.temperature.status, 'fitted');
    assert.ok(report.infonce.after.value! < report.infonce.before.value!);
    assert.ok(report.reliability.ece_after.value! < report.reliability.ece_before.value! / 4, 'ECE falls');
    assert.ok(report.energy.gap.low! > 0);
    assert.ok(report.noise.spearman.value! > 0.8);
    assert.ok(report.negatives.find(({ name }) => name === 'noise_1')!.auroc.value! > 0.99);
    assert.equal(data.split.by, 'episode');
    assert.equal(data.split.fit_rows + data.split.held_out_rows, 300);
    assert.equal(scores.readout.experts.overall.n, data.split.fit_rows);
    for (const figure of [report.top1, report.mrr, report.reliability.ece_after, report.energy.gap]) {
      assert.ok(figure.low! <= figure.value! + 1e-9 || figure === report.reliability.ece_after);
      assert.ok(figure.low! < figure.high!);
    }
  });

  it('reports on the rows that were not fitted, and on no other', async () => {
    const data = await syntheticData(310);
    const calibration = await calibrated(data);
    const { fit, heldOut, clusters } = splitRows(
      { rows: data.rows, episode: data.episode, task: data.task },
      0,
    );
    const { tau } = calibration.scores[calibration.better].temperature;
    const units = new Float64Array(ACTION_DIM).fill(1);
    const lossOn = async (rows: Int32Array): Promise<number> => {
      const observations = await collect(data, rows, {
        engine: engineFor(),
        card: syntheticCard(),
        plan: planNegatives(data, syntheticCard(), units, 0),
        units,
        clusters,
        batch: 16,
        seed: 0,
        nearDuplicate: 0.1,
        density: null,
      });
      const { loss } = infonceRows(observations[calibration.better].groups, tau);
      return weightedMean(loss, new Float64Array(rows.length).fill(1));
    };
    const found = calibration.report.infonce.after.value!;
    assert.ok(Math.abs(found - (await lossOn(heldOut))) < 1e-12);
    assert.ok(Math.abs(found - (await lossOn(fit))) > 1e-3, 'the two parts differ');
    assert.equal(calibration.report.rows, heldOut.length);
  });

  it('leaves near-duplicates out of the mean energy by step', async () => {
    const tensors = syntheticTensors(32, 1);
    tensors.delete('task_id');
    const actions = new Float32Array(tensors.get('actions')!.bytes.slice().buffer);
    const size = STEPS * ACTION_DIM;
    actions.copyWithin(size, 0, size); // row 1 has the chunk of row 0
    tensors.set('actions', float32Tensor([32, STEPS, ACTION_DIM], actions));
    const data = await calibrationData([memoryColumns('file', tensors)], syntheticCard());
    const units = new Float64Array(ACTION_DIM).fill(1);
    const { readout, ...kept } = await collect(
      data,
      Int32Array.from({ length: 32 }, (_, row) => row),
      {
        engine: engineFor(),
        card: syntheticCard({ readout: { kind: 'linear' } }),
        plan: planNegatives(data, syntheticCard(), units, 0),
        units,
        clusters: new Int32Array(32),
        batch: 32,
        seed: 0,
        nearDuplicate: 1e-6,
        density: null,
      },
    );
    assert.equal(kept.leftOut, 2);
    // the mean over steps of the mean over negatives is the mean of the usable swap energies
    const swap = swapScores(readout.groups);
    kept.rows.forEach((_, i) => {
      const usable = swap.subarray(i * 32, (i + 1) * 32).filter((value) => !Number.isNaN(value));
      const wanted = usable.reduce((sum, value) => sum + value, 0) / usable.length;
      const steps = kept.swapSteps.subarray(i * STEPS, (i + 1) * STEPS);
      const found = steps.reduce((sum, value) => sum + value, 0) / STEPS;
      assert.ok(Math.abs(found - wanted) < 1e-5, `row ${kept.rows[i]}: ${found} is not ${wanted}`);
    });
  });

  it('measures what int8 costs on the rows of the report, and says whether it chooses the same', async () => {
    const data = await syntheticData(310);
    const options = { engine: engineFor(), card: syntheticCard(), weightsDigest: DIGEST, data };
    const made = await calibrate({ ...options, int8: engineFor() });
    const { int8: equal, report } = made;
    assert.deepEqual([equal!.same_best.value, equal!.error, equal!.spearman.value], [1, 0, 1]);
    assert.deepEqual(
      [equal!.rows, equal!.chunks, equal!.verdict],
      [report.rows, 'swaps', report.verdict.verdict],
    );
    // not one of 16 episodes differs, which shows 79 percent and not 99
    assert.ok(equal!.same_decided.low! > 0.75 && equal!.same_decided.low! < 0.99);
    assert.equal(int8Objection(made, 0.75), undefined);
    assert.match(
      int8Objection(made, 0.99)!,
      /100\.0 percent of the \d+ rows .* shows at least 7\d\.\d; 99\.0 are wanted/,
    );
    assert.match(
      int8Objection({ ...made, verdict: 'may_choose' }, 0.75)!,
      /verdict is another in int8: must not choose/,
    );
    assert.match(int8Objection({ verdict: 'may_choose' }, 0.75)!, /not measured/);
    assert.match(int8Objection(undefined, 0.75)!, /no calibration/);
    // an engine that turns the energies round chooses the worst chunk
    const turned = await calibrate({ ...options, int8: fakeEngine(ACTION_DIM, STATE_DIM, -3) });
    const reversed = turned.int8!;
    assert.ok(reversed.same_best.value! < 0.1 && reversed.spearman.value! < -0.9);
    assert.ok(reversed.loss_increase.low! > 0);
    assert.notEqual(int8Objection(turned, 0.75), undefined);
    // a little noise: few rows change, and those whose margin exceeds the error do not
    const noisy = await calibrate({ ...options, int8: fakeEngine(ACTION_DIM, STATE_DIM, 2.97) });
    assert.ok(noisy.int8!.error > 0 && noisy.int8!.same_decided.value === 1);
  });

  it('states no preference where the gain over chance lies within its interval', async () => {
    const random = seededRandom(2);
    const tensors = syntheticTensors(200, 1);
    const { shape } = tensors.get('hidden')!;
    const values = Float32Array.from({ length: 200 * TOKENS * STATE_DIM }, () => random.normal());
    tensors.set('hidden', float32Tensor(shape, values));
    const { report, scores } = await calibrated(
      await calibrationData([memoryColumns('random', tensors)], syntheticCard()),
    );
    const { low, high } = report.infonce.preference;
    assert.ok(low! <= 0 && high! > -0.1, `${low} to ${high}`);
    assert.equal(scores.readout.temperature.status, 'no_preference');
    assert.equal(scores.logit.temperature.status, 'no_preference');
    assert.match(report.verdict.reasons.join('\n'), /^No preference: the context tells /m);
  });

  it('p-values of held-out experts keep their level', async () => {
    const { report } = await calibrated(await syntheticData(1000));
    report.p_values.levels.forEach((level, i) => {
      const { low, high } = report.p_values.shares[i]!;
      assert.ok(low! - 0.04 <= level && level <= high! + 0.04, `level ${level}: ${low} to ${high}`);
    });
  });

  it('is the same for the same seed, whatever the time', async () => {
    const data = await syntheticData(120);
    const first = await calibrated(data);
    assert.deepEqual(await calibrated(data), first);
    assert.notEqual((await calibrated(data, engineFor(), 1)).version, first.version);
  });

  it('encodes each context once and gives back every slot', async () => {
    const data = await syntheticData(203);
    const engine = engineFor();
    const { report } = await calibrated(data, engine);
    // the last batch of each part is filled up, and the landscape encodes one more
    assert.ok(engine.encodes <= 203 + 2 * (report.batch - 1) + 1, `${engine.encodes} encodes`);
    assert.equal(engine.held.size, 0);
    assert.ok(engine.chunks / 203 < 40, `${engine.chunks / 203} chunks a context`);
  });

  it('gives slots back and names the row when a context is bad', async () => {
    const tensors = syntheticTensors(64, 1);
    const hidden = tensors.get('hidden')!;
    const values = new Float32Array(hidden.bytes.slice().buffer);
    values[40 * 4 * STATE_DIM] = NaN;
    tensors.set('hidden', float32Tensor(hidden.shape, values));
    const data = await calibrationData([memoryColumns('file', tensors)], syntheticCard());
    const engine = engineFor();
    await assert.rejects(calibrated(data, engine), /row 40: .*NaN/);
    assert.equal(engine.held.size, 0);
  });

  it('leaves near-duplicates of the same task out of the negatives', async () => {
    const tensors = syntheticTensors(120, 1);
    const chunk = new Float32Array(tensors.get('actions')!.bytes.slice().buffer).slice(0, STEPS * ACTION_DIM);
    const actions = new Float32Array(120 * chunk.length);
    for (let row = 0; row < 120; row++) actions.set(chunk, row * chunk.length);
    tensors.set('actions', float32Tensor([120, STEPS, ACTION_DIM], actions));
    const data = await calibrationData([memoryColumns('file', tensors)], syntheticCard());
    const { report } = await calibrated(data);
    // four tasks: about a quarter of the 15 others do the same task
    assert.ok(
      report.effective_negatives > 9 && report.effective_negatives < 13.5,
      `${report.effective_negatives}`,
    );
    assert.ok(report.left_out > 0);
  });

  it('stays a readable file when no row has a negative left', async () => {
    const tensors = syntheticTensors(60, 1);
    tensors.delete('task_id');
    tensors.set('actions', float32Tensor([60, STEPS, ACTION_DIM], new Float32Array(60 * STEPS * ACTION_DIM)));
    const data = await calibrationData([memoryColumns('file', tensors)], syntheticCard());
    const calibration = await calibrated(data);
    assert.deepEqual(calibrationSchema.parse(JSON.parse(JSON.stringify(calibration))), calibration);
    assert.equal(calibration.report.effective_negatives, 0);
    assert.equal(calibration.report.infonce.after.value, null);
    assert.equal(calibration.report.reliability.ece_after.value, null);
    assert.equal(calibration.scores.readout.temperature.status, 'constant');
    assert.doesNotMatch(summaryText(calibration), /NaN|undefined/);
    const page = renderPage({ ...calibration, model: 'm', weightsDigest: DIGEST });
    assert.doesNotMatch(page, /NaN|undefined|Infinity/);
  });

  it('evaluates new data under an old calibration, and sees drift', async () => {
    const calibration = await calibrated(await syntheticData(400));
    const options = { engine: engineFor(), card: syntheticCard(), weightsDigest: DIGEST };
    const same = await evaluateCalibration(calibration, { ...options, data: await syntheticData(400, 9) });
    assert.equal(same.rows, 400);
    assert.ok(same.psi.value! < 0.15, `PSI ${same.psi.value}`);
    const drifted = await evaluateCalibration(calibration, {
      ...options,
      engine: fakeEngine(ACTION_DIM, STATE_DIM, 2.5),
      data: await syntheticData(400, 9),
    });
    assert.ok(drifted.psi.value! > 0.25, `PSI ${drifted.psi.value}`);
  });

  it('refuses data that are too few', async () => {
    await assert.rejects(calibrated(await syntheticData(10)), /all rows belong to one episode/);
  });
});

describe('applying', () => {
  it('gives probabilities at the fitted tau and p-values', async () => {
    const calibration = await calibrated(await syntheticData(300));
    const { values, n } = calibration.scores.readout.experts.overall;
    const energies = Float64Array.of(values[0]! - 1, values.at(-1)! + 1, values[0]! - 1);
    const { probabilities, pValues, tau, version } = applyCalibration(calibration, energies);
    assert.equal(tau, calibration.scores.readout.temperature.tau);
    assert.equal(version, calibration.version);
    assert.ok(Math.abs(probabilities.reduce((sum, value) => sum + value, 0) - 1) < 1e-12);
    assert.equal(probabilities[0], probabilities[2]);
    assert.deepEqual([...pValues], [1, 1 / (n + 1), 1]);
    assert.throws(() => applyCalibration(calibration, Float64Array.of(NaN)), /energy\[0\]/);
  });

  it('compares with experts of that time of the episode', async () => {
    const calibration = await calibrated(await syntheticData(1000));
    const { by_step: byStep, overall } = calibration.scores.readout.experts;
    assert.ok(byStep !== undefined);
    const energies = Float64Array.of(overall.values[Math.floor(overall.values.length / 2)]!);
    const last = applyCalibration(calibration, energies, { episodeStep: 9 }).pValues[0]!;
    const bucket = byStep.buckets.at(-1)!;
    const exact = (1 + bucket.values.filter((value) => value >= energies[0]!).length) / (bucket.n + 1);
    assert.ok(Math.abs(last - exact) < 1e-12);
  });
});
