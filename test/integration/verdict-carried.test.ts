/** The verdict reaches whoever asks: in the log, as a metric, from GetCalibration, and as an exit code. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Calibration } from '../../src/calibration/calibration-schema.js';
import type { Comparison } from '../../src/calibration/report/comparison.js';
import { contract } from '../../src/wire/contract.js';
import { withDirectory } from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import { MODELS } from '../support/load.js';
import { startServerProcess, type ServerProcess } from '../support/server-process.js';
import { call, openClient } from '../support/service.js';

const BUNDLE = path.join(MODELS, 'tiny-reach');
const DATA = path.join(MODELS, 'examples', 'tiny-reach-calibration.safetensors');
const FLAGS = ['--provider', 'cpu', '--threads', '1'];
const text = await readFile(path.join(BUNDLE, 'calibration.json'), 'utf8');
const calibration = JSON.parse(text) as Calibration;
const { verdict, reasons } = calibration.report.verdict;

describe('a served verdict', () => {
  let server: ServerProcess;
  before(async () => {
    server = await startServerProcess([BUNDLE, ...FLAGS]);
  });
  after(() => server.stop());

  test('stands in the log, in the metrics and in GetCalibration, and the default model is named', async () => {
    const lines = server.log.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(lines.find(({ msg }) => msg === 'model ready')!['verdict'], verdict);
    assert.equal(lines.find(({ msg }) => msg === 'serving')!['defaultModel'], 'tiny-reach');
    const page = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
    const info = `action_energy_calibration_info{model="tiny-reach",state="APPLIED",version="${calibration.version}",verdict="${verdict}"} 1`;
    assert.ok(page.includes(info), info);
    const client = openClient(server.address);
    try {
      const { figures } = await call(client, contract.calibration.GetCalibration, {});
      assert.deepEqual(figures!.judgement, { verdict: verdict.toUpperCase(), reasons });
    } finally {
      client.close();
    }
  });
});

test('evaluate --against compares two bundles, as text and as JSON, and --require asks the first', () =>
  withDirectory(async (directory) => {
    const page = path.join(directory, 'page.html');
    const figures = path.join(directory, 'figures');
    const asked = ['evaluate', BUNDLE, DATA, '--against', BUNDLE, ...FLAGS];
    const [plain, json] = await Promise.all([
      runCli(...asked, '--html', page, '--figures', figures),
      runCli(...asked, '--json', '--require', 'may-choose'),
    ]);
    assert.equal(plain.code, 0, plain.stderr);
    assert.match(plain.stdout, /^No difference shown by the cost of its pick, which decides/);
    assert.match(plain.stdout, /rows were fitted on by the calibration of A: its figures flatter/);
    assert.match(await readFile(page, 'utf8'), /tiny-reach against tiny-reach.*May it choose\?/s);
    assert.match(await readFile(path.join(figures, 'comparison.csv'), 'utf8'), /cost of its pick/);
    assert.match(await readFile(path.join(figures, 'control.svg'), 'utf8'), /<svg/);
    assert.equal(json.code, 3, 'it may choose behind its gate alone');
    const printed = JSON.parse(json.stdout) as { comparison: Comparison };
    const alone = JSON.parse((await runCli('evaluate', BUNDLE, DATA, '--json', ...FLAGS)).stdout) as object;
    assert.deepEqual({ ...printed, comparison: null }, alone, 'the report on A is that of evaluate');
    const { comparison } = printed;
    assert.equal(comparison.a.calibration, calibration.version);
    assert.ok(comparison.figures.every(({ advantage }) => advantage.value === 0));
    const missing = await runCli(
      'evaluate',
      BUNDLE,
      DATA,
      '--against',
      path.join(directory, 'nope'),
      ...FLAGS,
    );
    assert.equal(missing.code, 3);
    assert.match(missing.stderr, /nope.*no such file/);
  }));
