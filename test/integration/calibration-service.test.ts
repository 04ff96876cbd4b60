/** Calibrations over the wire: made, applied, evaluated under, and refused when they are another model's. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { status as Code } from '@grpc/grpc-js';
import { applyCalibration } from '../../src/calibration/apply.js';
import { calibrate } from '../../src/calibration/calibrate.js';
import { memoryColumns } from '../../src/calibration/data/columns.js';
import { calibrationData } from '../../src/calibration/data/calibration-data.js';
import { parseCalibration, saveCalibration } from '../../src/calibration/store.js';
import type { Calibration } from '../../src/calibration/calibration-schema.js';
import type { CalibrateRequest } from '../../src/generated/action_energy/v1/CalibrateRequest.js';
import type { ScoreActionsResponse__Output } from '../../src/generated/action_energy/v1/ScoreActionsResponse.js';
import type { ScoreOptions } from '../../src/generated/action_energy/v1/ScoreOptions.js';
import { loadBundle } from '../../src/model/bundle.js';
import { probabilities } from '../../src/model/energy.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import { runCli } from '../support/cli.js';
import {
  addressOf,
  badField,
  call,
  failure,
  goldenContext,
  metricsPage,
  row,
  startTestEngine,
  tensorMessage,
  type TestService,
} from '../support/service.js';
import {
  CALIBRATION_FILE,
  calibrationEnded,
  calibrationMessages,
  calibrationTensors,
  EXAMPLE_FILE,
  exampleTensors,
  openCalibration,
  sendCalibration,
  serveTinyReach,
} from '../support/tiny-reach.js';

const { Calibrate, Evaluate, GetCalibration } = contract.calibration;
const FILE = 'calibration.json';

let data: ReadonlyMap<string, Tensor>;
let example: ReadonlyMap<string, Tensor>;

before(async () => {
  data = await calibrationTensors();
  example = await exampleTensors();
});

function rowCount(): number {
  return data.get('hidden')!.shape[0]!;
}

function messages(size?: number): CalibrateRequest[] {
  return calibrationMessages(data, size);
}

function score(
  { client }: TestService,
  options: ScoreOptions = {},
  context = 0,
): Promise<ScoreActionsResponse__Output> {
  return call(client, contract.energy.ScoreActions, {
    inline: goldenContext(example, context),
    candidates: tensorMessage(row(example.get('candidates')!, context)),
    options,
  });
}

describe('Calibrate, then score', () => {
  let service: Awaited<ReturnType<typeof serveTinyReach>>;
  before(async () => {
    service = await serveTinyReach({ 'metrics-address': '127.0.0.1:0' });
  });
  after(() => service.close());

  it('is uncalibrated without a calibration, and says so', async () => {
    const answer = await score(service);
    assert.equal(answer.model?.calibrationVersion, '');
    assert.deepEqual(answer.pValues, []);
    assert.equal(answer.tau, 0.5);
    const model = await call(service.client, contract.energy.GetModel, {});
    assert.equal(model.calibration?.state, 'NONE');
    const error = await failure(call(service.client, GetCalibration, {}));
    assert.equal(error.code, Code.FAILED_PRECONDITION);
  });

  it('calibrates through the stream as it does from a file, and applies it without a restart', async () => {
    const before = await score(service);
    const response = await sendCalibration(service.client, Calibrate, messages());
    const { card, weights, digest } = await loadBundle(service.bundle);
    const engine = await startTestEngine({ card, weights });
    let offline: Calibration;
    try {
      const columns = await calibrationData([memoryColumns('tiny.safetensors', data)], card);
      offline = await calibrate({ engine, card, weightsDigest: digest, data: columns, seed: 0 });
    } finally {
      await engine.close();
    }
    const tau = offline.scores.readout.temperature.tau;
    assert.ok(Math.abs(response.figures!.readoutTau - tau) < 1e-4 * tau);
    assert.equal(response.figures!.fittedRows, offline.data.split.fit_rows);
    const loss = offline.report.infonce.after.value!;
    assert.ok(Math.abs(response.figures!.infonceAfter!.value! - loss) < 1e-4);

    const written = parseCalibration(await readFile(path.join(service.bundle, FILE), 'utf8'));
    assert.equal(written.version, response.model?.calibrationVersion);
    assert.deepEqual(await readdir(service.bundle), [FILE, 'energy.json', 'weights.safetensors']);

    const answer = await score(service);
    assert.deepEqual(answer.energies, before.energies);
    assert.deepEqual(answer.ranking, before.ranking);
    assert.equal(answer.model?.calibrationVersion, written.version);
    const wanted = applyCalibration(written, Float64Array.from(answer.energies));
    assert.deepEqual(answer.probabilities, Array.from(wanted.probabilities));
    assert.deepEqual(answer.pValues, Array.from(wanted.pValues));
    assert.equal(answer.tau, written.scores.readout.temperature.tau);

    const get = await call(service.client, GetCalibration, {});
    assert.deepEqual(parseCalibration(get.calibrationJson), written);
    const model = await call(service.client, contract.energy.GetModel, {});
    assert.equal(model.calibration?.state, 'APPLIED');
    assert.equal(model.version?.calibrationVersion, written.version);
    const { p05, p50, p95 } = model.calibration.hiddenOctaves!;
    assert.deepEqual([p05, p50, p95], written.inputs!.hidden_octaves);
  });

  it('answers raw when asked: raw, tau, or another pool', async () => {
    const calibrated = await score(service);
    const { energies } = calibrated;
    const asked: [ScoreOptions, number][] = [
      [{ raw: true }, 0.5],
      [{ tau: 0.2 }, 0.2],
      [{ raw: true, tau: 0.3 }, 0.3],
    ];
    for (const [options, tau] of asked) {
      const answer = await score(service, options);
      assert.deepEqual(answer.energies, energies);
      assert.deepEqual(answer.pValues, []);
      assert.equal(answer.model?.calibrationVersion, '');
      assert.equal(answer.tau, tau);
      assert.deepEqual(
        answer.probabilities,
        Array.from(probabilities(Float64Array.from(energies), tau)),
        JSON.stringify(options),
      );
    }
    const first = await score(service, { pool: { first: {} } });
    assert.equal(first.model?.calibrationVersion, '');
    const mean = await score(service, { pool: { mean: {} } });
    assert.deepEqual(mean.probabilities, calibrated.probabilities);
    const putContext = await call(service.client, contract.energy.PutContext, {
      context: goldenContext(example, 0),
    });
    assert.equal(putContext.model?.calibrationVersion, '');
  });

  it('calibrates the logit score and compares with experts at that time of the episode', async () => {
    const calibration = parseCalibration(await readFile(path.join(service.bundle, FILE), 'utf8'));
    const answer = await score(service, { score: 'LOGIT', episodeStep: 0 });
    const wanted = applyCalibration(calibration, Float64Array.from(answer.energies), {
      score: 'logit',
      episodeStep: 0,
    });
    assert.deepEqual(answer.pValues, Array.from(wanted.pValues));
    assert.equal(answer.tau, calibration.scores.logit.temperature.tau);
    const error = await failure(score(service, { episodeStep: NaN }));
    assert.equal(badField(error), 'options.episode_step');
  });

  it('evaluates under the calibration in force and writes nothing', async () => {
    const file = path.join(service.bundle, FILE);
    const before = await readFile(file, 'utf8');
    const response = await sendCalibration(service.client, Evaluate, messages(17));
    assert.equal(response.model?.calibrationVersion, parseCalibration(before).version);
    assert.equal(response.figures?.reportedRows, rowCount());
    const report = JSON.parse(response.reportJson) as Calibration['report'];
    assert.equal(report.rows, rowCount());
    assert.equal(await readFile(file, 'utf8'), before);
  });

  it('leaves the old calibration and no file behind when the stream breaks', async () => {
    const file = path.join(service.bundle, FILE);
    const before = await readFile(file, 'utf8');
    const { stream, answer } = openCalibration(service.client, Calibrate);
    for (const message of messages().slice(0, 2)) stream.write(message);
    await new Promise((resolve) => setTimeout(resolve, 50));
    stream.cancel();
    assert.equal((await failure(answer)).code, Code.CANCELLED);
    await calibrationEnded(service.client);
    // cancelled while it computes: everything was sent
    const late = openCalibration(service.client, Calibrate);
    for (const message of messages()) late.stream.write(message);
    late.stream.end();
    await new Promise((resolve) => setTimeout(resolve, 100));
    late.stream.cancel();
    assert.equal((await failure(late.answer)).code, Code.CANCELLED);
    await calibrationEnded(service.client);
    assert.equal(await readFile(file, 'utf8'), before);
    assert.deepEqual(await readdir(service.spool), []);
    const again = await sendCalibration(service.client, Calibrate, messages());
    assert.equal(again.model?.calibrationVersion, parseCalibration(before).version);
  });

  it('shows how calibrations ended, how old the one in force is, and the p-values under it', async () => {
    const lines = async (): Promise<Map<string, number>> => {
      const page = await metricsPage(service);
      return new Map(
        page.split('\n').map((line) => {
          const at = line.lastIndexOf(' ');
          return [line.slice(0, at), Number(line.slice(at + 1))];
        }),
      );
    };
    const model = 'model="tiny-reach"';
    const runs = `action_energy_calibration_runs_total{${model}`;
    const values = `action_energy_p_value_count{${model}}`;
    const before = await lines();
    assert.ok(before.get(`${runs},kind="Calibrate",outcome="done"}`)! >= 2);
    assert.ok(before.get(`${runs},kind="Calibrate",outcome="cancelled"}`)! >= 1);
    assert.ok(before.get(`action_energy_calibration_age_seconds{${model}}`)! < 600);
    await failure(sendCalibration(service.client, Evaluate, messages().slice(0, 2)));
    const answer = await score(service);
    await score(service, { raw: true });
    const now = await lines();
    const refused = `${runs},kind="Evaluate",outcome="refused"}`;
    assert.equal(now.get(refused)! - before.get(refused)!, 1);
    assert.equal(now.get(values)! - before.get(values)!, 1);
    const sum = `action_energy_p_value_sum{${model}}`;
    const best = answer.pValues[answer.ranking[0]!]!;
    assert.ok(Math.abs(now.get(sum)! - before.get(sum)! - best) < 1e-9);
    assert.ok(now.get('action_energy_client_calls_total{client="anonymous",grpc_code="OK"}')! > 0);
  });

  it('takes one calibration of a model at a time', async () => {
    const first = openCalibration(service.client, Evaluate);
    first.stream.write({ header: { rows: rowCount() } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const error = await failure(sendCalibration(service.client, Calibrate, messages()));
    assert.equal(error.code, Code.RESOURCE_EXHAUSTED);
    first.stream.cancel();
    await failure(first.answer);
    await calibrationEnded(service.client);
  });
});

describe('action-energy client calibrate', () => {
  it('calibrates a running server from a file, and evaluates under it', async () => {
    const service = await serveTinyReach();
    try {
      const address = ['--address', addressOf(service.server)];
      const calibrated = await runCli('client', 'calibrate', ...address, CALIBRATION_FILE);
      assert.equal(calibrated.code, 0, calibrated.stderr);
      const answer = await score(service);
      const version = answer.model?.calibrationVersion ?? '';
      assert.match(calibrated.stdout, new RegExp(`^tiny-reach: calibration ${version} is in force`));
      const evaluated = await runCli('client', 'evaluate', ...address, '--json', CALIBRATION_FILE);
      const { calibration, report } = JSON.parse(evaluated.stdout) as {
        calibration: string;
        report: Calibration['report'];
      };
      assert.equal(calibration, version);
      assert.equal(report.rows, rowCount());
      assert.notEqual(report.verdict.verdict, 'must_not_choose');
      const wrong = await runCli(
        'client',
        'calibrate',
        ...address,
        path.join(
          path.dirname(EXAMPLE_FILE),
          '..',
          '..',
          'test',
          'golden',
          'data',
          'cross_relu_sigmoid.inputs.safetensors',
        ),
      );
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, /hidden: shape does not fit/);
    } finally {
      await service.close();
    }
  });
});

describe("another model's calibration", () => {
  it('is refused, GetModel says so, and scoring goes on uncalibrated', async () => {
    const donor = await serveTinyReach();
    let calibration: Calibration;
    try {
      await sendCalibration(donor.client, Calibrate, messages());
      calibration = parseCalibration(await readFile(path.join(donor.bundle, FILE), 'utf8'));
    } finally {
      await donor.close();
    }
    const foreign = {
      ...calibration,
      model: { ...calibration.model, weights_digest: 'ab'.repeat(32) },
    };
    const service = await serveTinyReach({ 'metrics-address': '127.0.0.1:0' }, async (bundle) => {
      await saveCalibration(bundle, foreign);
    });
    try {
      const model = await call(service.client, contract.energy.GetModel, {});
      assert.equal(model.calibration?.state, 'REFUSED');
      assert.match(model.calibration?.problem ?? '', /another model's calibration/);
      const answer = await score(service);
      assert.equal(answer.model?.calibrationVersion, '');
      assert.deepEqual(answer.pValues, []);
      const metrics = await metricsPage(service);
      assert.match(
        metrics,
        /action_energy_calibration_info\{model="tiny-reach",state="REFUSED",version="",verdict=""\} 1/,
      );
      // the right one comes with the next reload
      await saveCalibration(service.bundle, calibration);
      const reloaded = await call(service.client, contract.admin.Reload, { model: 'tiny-reach' });
      assert.equal(reloaded.models[0]?.calibrationVersion, calibration.version);
      assert.equal((await score(service)).model?.calibrationVersion, calibration.version);
      // a damaged one is refused as well
      await writeFile(path.join(service.bundle, FILE), '{"format": 1');
      await service.server.reload();
      assert.equal((await score(service)).model?.calibrationVersion, '');
    } finally {
      await service.close();
    }
  });
});
