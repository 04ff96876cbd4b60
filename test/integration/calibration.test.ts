/** calibrate, evaluate and doctor as a user runs them, on the bundled model and its data. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { calibrationSchema, type Calibration } from '../../src/calibration/calibration-schema.js';
import type { Finding } from '../../src/calibration/doctor/probe.js';
import type { Report } from '../../src/calibration/report/report-schema.js';
import { loadCalibration } from '../../src/calibration/store.js';
import { swapInfoNce } from '../../src/energy/losses.js';
import { loadBundle } from '../../src/model/bundle.js';
import { withDirectory } from '../support/bundles.js';
import { runCli } from '../support/cli.js';

const models = fileURLToPath(new URL('../../../models/', import.meta.url));
const DATA = path.join(models, 'examples', 'tiny-reach-calibration.safetensors');
const FLAGS = ['--provider', 'cpu', '--threads', '1'];

function withBundle<T>(use: (bundle: string) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const bundle = path.join(directory, 'tiny-reach');
    await cp(path.join(models, 'tiny-reach'), bundle, {
      recursive: true,
      filter: (source) => !path.basename(source).startsWith('calibration'),
    });
    return use(bundle);
  });
}

test('calibrate keeps a calibration and a page in the bundle; evaluate then reports under it', () =>
  withBundle(async (bundle) => {
    const result = await runCli('calibrate', bundle, DATA, ...FLAGS);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stderr, '', 'no progress bar without a terminal');
    const { digest } = await loadBundle(bundle);
    const calibration = await loadCalibration(bundle, digest);
    assert.ok(calibration !== undefined);
    const { temperature } = calibration.scores[calibration.better];
    assert.equal(temperature.status, 'fitted');
    const { before: uncalibrated, after } = calibration.report.infonce;
    // fitted on the other half, so it may be a little higher here
    assert.ok(after.value! < uncalibrated.value! + 0.05, `loss ${uncalibrated.value} to ${after.value}`);
    assert.ok(calibration.report.top1.value! > 0.4, 'guessing would get 1 of 16');
    assert.match(result.stdout, new RegExp(`Calibration ${calibration.version}`));
    assert.match(await readFile(path.join(bundle, 'calibration.html'), 'utf8'), /<svg /);

    const before = await readFile(path.join(bundle, 'calibration.json'), 'utf8');
    const evaluated = await runCli('evaluate', bundle, DATA, '--json', ...FLAGS);
    assert.equal(evaluated.code, 0, evaluated.stderr);
    const report = JSON.parse(evaluated.stdout) as { calibration: string; report: Report };
    assert.equal(report.calibration, calibration.version);
    assert.equal(report.report.rows, calibration.data.rows);
    assert.equal(await readFile(path.join(bundle, 'calibration.json'), 'utf8'), before);
  }));

test('evaluate without a calibration writes nothing into the bundle', () =>
  withBundle(async (bundle) => {
    const files = await readdir(bundle);
    const result = await runCli('evaluate', bundle, DATA, ...FLAGS);
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /No calibration in the bundle/);
    assert.deepEqual(await readdir(bundle), files);
  }));

test('the energies of the report are those of the losses', () =>
  withBundle(async (bundle) => {
    const out = path.join(bundle, '..', 'elsewhere.json');
    const result = await runCli('calibrate', bundle, DATA, '--out', out, '--json', ...FLAGS);
    assert.equal(result.code, 0, result.stderr);
    const calibration = calibrationSchema.parse(JSON.parse(await readFile(out, 'utf8')));
    const printed = JSON.parse(result.stdout) as { calibration: string; report: Calibration['report'] };
    assert.equal(printed.calibration, calibration.version);
    assert.deepEqual(printed.report, calibration.report);
    // evaluate prints the same keys, and notices that it sees the fitted rows again
    assert.equal((await runCli('calibrate', bundle, DATA, ...FLAGS)).code, 0);
    const evaluated = await runCli('evaluate', bundle, DATA, '--json', '--require', 'may-choose', ...FLAGS);
    const { report: found } = JSON.parse(evaluated.stdout) as { report: Calibration['report'] };
    const isMet = found.verdict.verdict === 'may_choose';
    assert.equal(evaluated.code, isMet ? 0 : 3);
    assert.match(evaluated.stderr, isMet ? /^$/ : /wanted: may-choose/);
    const again = JSON.parse(evaluated.stdout) as { report: Calibration['report'] };
    assert.deepEqual(shapeOf(again), shapeOf(printed));
    assert.equal(again.report.fitted_before, calibration.data.split.fit_rows);
    for (const name of ['calibration.json', 'calibration.html']) await rm(path.join(bundle, name));
    assert.deepEqual((await readdir(bundle)).sort(), ['energy.json', 'weights.safetensors']);
    const { width, energies } = calibration.report.plots.matrix;
    const tau = calibration.scores[calibration.better].temperature.tau;
    const { loss } = swapInfoNce(Float64Array.from(energies), width, tau);
    assert.ok(Number.isFinite(loss) && loss < calibration.report.infonce.chance);
  }));

/** Names at every depth of one JSON object; of a list its first entry, null and absent data apart. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return '';
  // what one of them may not have at all: a doctor's findings, a split, int8, a rank of no negatives
  const optional = ['findings', 'split', 'int8', 'hardest', 'calibration', 'file', 'html'];
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, optional.includes(name) ? '' : shapeOf(each)]),
  );
}

test('--figures writes each picture and each table, and the page names the data by their digest', () =>
  withBundle(async (bundle) => {
    const figures = path.join(bundle, '..', 'deep', 'figures');
    const html = path.join(bundle, '..', 'page.html');
    const result = await runCli('evaluate', bundle, DATA, '--figures', figures, '--html', html, ...FLAGS);
    assert.equal(result.code, 0, result.stderr);
    const names = await readdir(figures);
    const of = (end: string): string[] =>
      names.filter((name) => name.endsWith(end)).map((name) => name.slice(0, -end.length));
    assert.match(result.stdout, new RegExp(`${of('.svg').length} as SVG, ${of('.csv').length} tables`));
    assert.deepEqual(of('.csv'), of('.tex'));
    assert.equal(of('.svg').length + 2 * of('.csv').length, names.length);
    assert.ok(of('.svg').includes('control') && of('.csv').includes('control-by-candidates'));
    const digest = createHash('sha256')
      .update(await readFile(DATA))
      .digest('hex');
    const { digest: weights } = await loadBundle(bundle);
    for (const file of [html, path.join(figures, 'provenance.csv')]) {
      const text = await readFile(file, 'utf8');
      assert.ok(text.includes(digest) && text.includes(weights), file);
    }
    // a file where the directory should be
    const refused = await runCli('evaluate', bundle, DATA, '--figures', html, ...FLAGS);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /page\.html: cannot be made a directory/);
  }));

test('doctor is silent on the bundled model', () =>
  withBundle(async (bundle) => {
    const result = await runCli('doctor', bundle, DATA, '--json', '--provider', 'cpu');
    assert.equal(result.code, 0, result.stdout);
    const { findings } = JSON.parse(result.stdout) as { findings: Finding[] };
    assert.ok(findings.length > 10);
    assert.deepEqual(
      findings.filter(({ level }) => level === 'warning' || level === 'failure'),
      [],
    );
    assert.match((await runCli('doctor', bundle, '--provider', 'cpu')).stdout, /0 failing/);
  }));

test('a calibration killed at any point damages nothing, and a rerun starts clean', () =>
  withBundle(async (bundle) => {
    assert.equal((await runCli('calibrate', bundle, DATA, ...FLAGS)).code, 0);
    const contents = async (): Promise<string[]> =>
      Promise.all(
        ['energy.json', 'weights.safetensors', 'calibration.json'].map((name) =>
          readFile(path.join(bundle, name), 'latin1'),
        ),
      );
    const before = await contents();
    const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
    for (const waitMs of [150, 500, 900]) {
      const child = spawn(process.execPath, [main, 'calibrate', bundle, DATA, ...FLAGS, '--seed', '9'], {
        stdio: 'ignore',
      });
      const exited = new Promise((resolve) => child.on('exit', resolve));
      await sleep(waitMs);
      child.kill('SIGKILL');
      await exited;
      const { digest } = await loadBundle(bundle);
      assert.ok((await loadCalibration(bundle, digest)) !== undefined);
      const after = await contents();
      assert.deepEqual(after.slice(0, 2), before.slice(0, 2));
    }
    assert.equal((await runCli('calibrate', bundle, DATA, ...FLAGS)).code, 0);
    assert.deepEqual((await readdir(bundle)).sort(), [
      'calibration.html',
      'calibration.json',
      'energy.json',
      'weights.safetensors',
    ]);
  }));

test('wrong data are refused with every key', () =>
  withBundle(async (bundle) => {
    const wrong = path.join(models, '..', 'test', 'golden', 'data', 'cross_relu_sigmoid.inputs.safetensors');
    const result = await runCli('calibrate', bundle, wrong, '--provider', 'cpu');
    assert.equal(result.code, 2);
    assert.match(result.stderr, /unknown key|missing/);
  }));
