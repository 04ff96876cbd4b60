import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Metadata, status as Code } from '@grpc/grpc-js';
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
  row,
  startTestEngine,
  tensorMessage,
  type TestService,
} from '../support/service.js';
import {
  CALIBRATION_FILE,
  calibrationEnded,
  calibrationRows,
  calibrationTensors,
  EXAMPLE_FILE,
  exampleTensors,
  openCalibration,
  sendCalibration,
  serveTinyReach,
} from '../support/tiny-reach.js';

const { Calibrate, Evaluate, GetCalibration } = contract.calibration;
const OPTIONS = { seed: 0 };
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

/** Header and all rows in messages of `size`. */
function messages(size = 100): CalibrateRequest[] {
  const rows = rowCount();
  const list: CalibrateRequest[] = [{ header: { rows, source: 'tiny.safetensors', options: OPTIONS } }];
  for (let start = 0; start < rows; start += size) {
    list.push({ rows: calibrationRows(data, start, Math.min(rows, start + size)) });
  }
  return list;
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
      offline = await calibrate({ engine, card, weightsDigest: digest, data: columns, ...OPTIONS });
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
      const page = await fetch(`http://127.0.0.1:${service.server.metricsPort}/metrics`);
      return new Map(
        (await page.text()).split('\n').map((line) => {
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

describe('the calibrate permission', () => {
  it('is needed for all three methods, and suffices', async () => {
    const [scorer, calibrator] = ['scorer-token-0123456789', 'calibrator-token-0123456789'];
    const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-tokens-'));
    const file = path.join(directory, 'tokens.yaml');
    await writeFile(
      file,
      `tokens:\n  - { name: s, token: ${scorer}, permissions: [score, admin] }\n  - { name: c, token: ${calibrator}, permissions: [calibrate] }\n`,
    );
    const service = await serveTinyReach({ 'tokens-file': file });
    const bearer = (token: string): Metadata => {
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer ${token}`);
      return metadata;
    };
    try {
      for (const [token, code] of [
        [scorer, Code.PERMISSION_DENIED],
        [calibrator, Code.FAILED_PRECONDITION],
      ] as const) {
        const error = await failure(call(service.client, GetCalibration, {}, { metadata: bearer(token) }));
        assert.equal(error.code, code);
      }
      for (const method of [Calibrate, Evaluate]) {
        const denied = openCalibration<unknown>(service.client, method, 10_000, bearer(scorer));
        assert.equal((await failure(denied.answer)).code, Code.PERMISSION_DENIED);
        const allowed = openCalibration<unknown>(service.client, method, 10_000, bearer(calibrator));
        allowed.stream.end();
        assert.equal((await failure(allowed.answer)).code, Code.INVALID_ARGUMENT);
      }
    } finally {
      await service.close();
      await rm(directory, { recursive: true });
    }
  });
});

describe('a calibration that would never end', () => {
  it('is ended when its client falls silent, before and after the header', async () => {
    const service = await serveTinyReach({ 'calibration-idle-ms': '150' });
    try {
      for (const sent of [0, 1, 2]) {
        const { stream, answer } = openCalibration(service.client, Calibrate);
        for (const message of messages().slice(0, sent)) stream.write(message);
        const error = await failure(answer);
        assert.equal(error.code, Code.DEADLINE_EXCEEDED);
        assert.match(error.details, /silent for too long.*--calibration-idle-ms/);
      }
      await calibrationEnded(service.client);
      assert.deepEqual(await readdir(service.spool), []);
    } finally {
      await service.close();
    }
  });

  it('keeps its place when its model is loaded again, and gives it up with its next message', async () => {
    const service = await serveTinyReach();
    try {
      const { stream, answer } = openCalibration(service.client, Calibrate);
      const [header, ...rows] = messages();
      stream.write(header!);
      stream.write(rows[0]!);
      while ((await readdir(service.spool)).length > 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, 50));
      await call(service.client, contract.admin.Reload, {});
      const second = await failure(sendCalibration(service.client, Calibrate, messages()));
      assert.equal(second.code, Code.RESOURCE_EXHAUSTED);
      stream.write(rows[1]!); // the stream is not ended: the answer must come all the same
      const error = await failure(answer);
      assert.equal(error.code, Code.FAILED_PRECONDITION);
      assert.match(error.details, /reloaded meanwhile/);
      await sendCalibration(service.client, Calibrate, messages());
    } finally {
      await service.close();
    }
  });
});

describe('a server that stops', () => {
  it('ends a calibration that waits for its client, and one that computes', async () => {
    const all = messages().length;
    for (const sent of [1, all]) {
      const service = await serveTinyReach();
      const { stream, answer } = openCalibration(service.client, Calibrate);
      for (const message of messages().slice(0, sent)) stream.write(message);
      if (sent === all) stream.end();
      const ended = failure(answer);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const closing = service.close();
      assert.equal((await ended).code, Code.UNAVAILABLE);
      await closing;
    }
  });
});

describe('what Calibrate refuses', () => {
  let service: Awaited<ReturnType<typeof serveTinyReach>>;
  before(async () => {
    service = await serveTinyReach();
  });
  after(() => service.close());

  const refusals: [string, (rows: ReturnType<typeof calibrationRows>) => CalibrateRequest[], string][] = [
    ['no header', (rows) => [{ rows }], 'part'],
    ['no rows declared', () => [{ header: {} }], 'header.rows'],
    ['a bad batch', () => [{ header: { rows: 9, options: { batch: 1 } } }], 'header.options.batch'],
    ['a second header', () => [{ header: { rows: 9 } }, { header: { rows: 9 } }], 'part'],
    ['fewer rows than declared', (rows) => [{ header: { rows: 99 } }, { rows }], 'header.rows'],
    ['more rows than declared', (rows) => [{ header: { rows: 3 } }, { rows }], 'header.rows'],
    [
      'other columns in the second message',
      (rows) => [{ header: { rows: 99 } }, { rows }, { rows: { ...rows, taskId: [] } }],
      'rows.task_id',
    ],
    [
      'offsets that do not fit',
      (rows) => [{ header: { rows: 99 } }, { rows: { ...rows, offsets: [0, 3, 3] } }],
      'rows.offsets[2]',
    ],
    [
      'an id that is none',
      (rows) => [{ header: { rows: 99 } }, { rows: { ...rows, episodeId: [NaN] } }],
      'rows.episode_id[0]',
    ],
  ];
  for (const [name, make, field] of refusals) {
    it(name, async () => {
      const error = await failure(
        sendCalibration(service.client, Calibrate, make(calibrationRows(data, 0, 8))),
      );
      assert.equal(error.code, Code.INVALID_ARGUMENT, error.details);
      assert.equal(badField(error), field);
    });
  }

  it('chunks of more layers than a policy has', async () => {
    const rows = calibrationRows(data, 0, 8);
    const { shape, data: bytes } = rows.actions!;
    const layers = 257;
    const layerActions = {
      dtype: 'FLOAT32' as const,
      shape: [layers, ...shape!],
      data: Buffer.concat(Array.from({ length: layers }, () => Buffer.alloc(bytes!.length))),
    };
    const list: CalibrateRequest[] = [{ header: { rows: 256 } }, { rows: { ...rows, layerActions } }];
    const error = await failure(sendCalibration(service.client, Calibrate, list));
    assert.equal(error.code, Code.INVALID_ARGUMENT, error.details);
    assert.match(error.details, /layer_actions: too many layers; found 257; wanted at most 256/);
  });

  it('data of another model, at the first rows and by name', async () => {
    const { stream, answer } = openCalibration(service.client, Calibrate);
    const rows = calibrationRows(data, 0, 8);
    const { actions } = rows;
    stream.write({ header: { rows: rowCount() } });
    stream.write({ rows: { ...rows, actions: { ...actions!, shape: [8, 7, 8] } } });
    // not ended: the answer must come all the same
    const error = await failure(answer);
    assert.equal(error.code, Code.INVALID_ARGUMENT);
    assert.match(error.details, /actions.*\[8, 7, 8\].*7/);
  });

  it('a row that the engine refuses, by its field', async () => {
    const list = messages();
    const { hidden } = list[1]!.rows!;
    const bad = Buffer.from(hidden!.data as Buffer);
    bad.writeUInt16LE(0x7fc0, 0); // NaN in bfloat16
    list[1] = { rows: { ...list[1]!.rows, hidden: { ...hidden!, data: bad } } };
    const error = await failure(sendCalibration(service.client, Calibrate, list));
    assert.equal(error.code, Code.INVALID_ARGUMENT, error.details);
    assert.match(badField(error) ?? '', /^row 0: hidden/);
  });

  it('keeps rows with ragged contexts apart', async () => {
    const mask = data.get('pad_mask')!;
    const hidden = data.get('hidden')!;
    const [, S, D] = hidden.shape as [number, number, number];
    const token = D * 2;
    // every row without its last `cut` tokens, in messages of 64
    const list: CalibrateRequest[] = [{ header: { rows: rowCount(), options: OPTIONS } }];
    for (let start = 0; start < rowCount(); start += 64) {
      const parts: Uint8Array[] = [];
      const masks: Uint8Array[] = [];
      const offsets = [0];
      for (let i = start; i < start + 64; i++) {
        const length = S - (i % 2); // the last token of odd rows is not sent
        parts.push(hidden.bytes.subarray(i * S * token, i * S * token + length * token));
        masks.push(mask.bytes.subarray(i * S, i * S + length));
        offsets.push(offsets.at(-1)! + length);
      }
      const tokens = offsets.at(-1)!;
      const rows = calibrationRows(data, start, start + 64);
      list.push({
        rows: {
          ...rows,
          offsets,
          hidden: { dtype: 'BFLOAT16', shape: [tokens, D], data: Buffer.concat(parts) },
          padMask: { dtype: 'BOOL', shape: [tokens], data: Buffer.concat(masks) },
        },
      });
    }
    const response = await sendCalibration(service.client, Evaluate, list);
    assert.equal(response.model?.calibrationVersion, '');
    assert.equal(response.figures!.reportedRows + response.figures!.fittedRows, rowCount());
    assert.ok(response.figures!.top1!.value! > 0.4, 'guessing would get 1 of 16');
    assert.deepEqual(await readdir(service.bundle), ['energy.json', 'weights.safetensors']);
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
      const metrics = await (await fetch(`http://127.0.0.1:${service.server.metricsPort}/metrics`)).text();
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
