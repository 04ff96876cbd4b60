/** The report's page in a real browser: how many sheets it prints on, and whether a narrow window cuts anything off. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { calibrate } from '../../src/calibration/calibrate.js';
import { memoryColumns } from '../../src/calibration/data/columns.js';
import { calibrationData } from '../../src/calibration/data/calibration-data.js';
import type { Finding } from '../../src/calibration/doctor/probe.js';
import { renderPage } from '../../src/calibration/report/html/page.js';
import type { NamedReport } from '../../src/calibration/report/reported.js';
import { float32Tensor } from '../../src/tensor/tensor.js';
import { hasBrowser, overflowAt, printedPages } from '../support/browser.js';
import { fakeEngine } from '../unit/calibration/fake-engine.js';
import {
  ACTION_DIM,
  STATE_DIM,
  STEPS,
  TOKENS,
  syntheticCard,
  syntheticTensors,
  withCandidates,
} from '../unit/calibration/synthetic.js';

const missing = hasBrowser()
  ? false
  : 'THE REPORT IS NOT TESTED IN A BROWSER AND IN PRINT HERE: apt-get install chromium';
// The project's own check installs it, so there a missing one is a failure and not a skip.
const skip = process.env['CI'] === 'true' ? false : missing;

const MOST_SHEETS = 6;
const NARROW = 500;

/** As much as reports of one and of two models hold: every kind of negative, many tasks and candidates, long names, findings of every level. */
async function fullReports(): Promise<{ calibrated: NamedReport; compared: NamedReport }> {
  const rows = 480;
  const tensors = withCandidates(syntheticTensors(rows, 3, 8), 64);
  const chunks = (...shape: number[]): ReturnType<typeof float32Tensor> =>
    float32Tensor(
      [...shape, STEPS, ACTION_DIM],
      Float32Array.from(
        { length: shape.reduce((a, b) => a * b, STEPS * ACTION_DIM) },
        (_, i) => 0.5 * Math.sin(i),
      ),
    );
  tensors.set('negatives', chunks(rows, 2));
  tensors.set('layer_actions', chunks(6, rows));
  tensors.set('policy_actions', chunks(rows));
  tensors.set('token_group', {
    dtype: 'uint8',
    shape: [TOKENS],
    bytes: Uint8Array.from({ length: TOKENS }, (_, i) => i),
  });
  tensors.set(
    'task_id',
    float32Tensor(
      [rows],
      Float32Array.from({ length: rows }, (_, row) => 1_000_003 + (Math.floor(row / 8) % 30)),
    ),
  );
  const card = syntheticCard({
    name: 'a_model_with_a_name_that_is_longer_than_a_narrow_window_is_wide_80000',
  });
  const name = `shard_of_a_data_set_with_a_long_name_${'x'.repeat(60)}.safetensors`;
  const data = await calibrationData([memoryColumns(name, tensors)], card);
  const engine = fakeEngine(ACTION_DIM, STATE_DIM);
  const calibration = await calibrate({
    engine,
    int8: engine,
    card,
    weightsDigest: 'ab'.repeat(32),
    data,
  });
  const levels = ['failure', 'warning', 'note', 'ok', 'ok', 'ok', 'ok', 'ok'] as const;
  const findings = levels.map((level, i): Finding => {
    const told =
      level === 'ok'
        ? ''
        : 'It cannot see how far a move goes: a chunk at a third of the speed is one to it.';
    return {
      probe: `probe ${i}`,
      level,
      measured: 'all dims scaled by 0.3 move the score by 0.02 of the spread between chunks',
      means: told,
      act: told,
    };
  });
  const { report, better, scores, version } = calibration;
  const side = {
    model: card.name,
    weights_digest: 'ab'.repeat(32),
    calibration: version,
    score: better,
    tau: scores[better].temperature.tau,
    verdict: report.verdict,
    fitted_before: rows,
  };
  const kinds = [
    ...report.negatives.map(({ name }) => `win rate, ${name}`),
    ...Array<string>(7).fill('a key figure'),
  ];
  const figures = kinds.map((kind) => ({
    ...{ name: kind, better: 'higher' as const },
    ...{ a: report.top1, b: report.top1, advantage: report.top1 },
  }));
  const comparison = { rows, clusters: 60, a: side, b: side, figures };
  const named = { ...calibration, model: card.name, weightsDigest: 'ab'.repeat(32) };
  // neither doctor nor int8 are asked where two are compared
  return { calibrated: { ...named, findings }, compared: { ...named, int8: undefined, comparison } };
}

for (const kind of ['calibrated', 'compared'] as const) {
  describe(`the page of a ${kind} model that holds as much as one can`, { skip }, () => {
    let page: string;
    before(async () => {
      assert.equal(missing, false);
      page = renderPage((await fullReports())[kind]);
    });

    it(`prints on at most ${MOST_SHEETS} sheets`, async () => {
      const sheets = await printedPages(page);
      assert.ok(sheets >= 1 && sheets <= MOST_SHEETS, `${sheets} sheets`);
    });

    for (const width of [NARROW, 1100]) {
      it(`cuts nothing off ${width} pixels wide`, async () => {
        const { content, window, cut } = await overflowAt(page, width);
        assert.deepEqual(cut, []);
        assert.ok(content <= window && window > width - 30, `${content} in ${window}`);
      });
    }

    it('would be noticed if it did', async () => {
      const wide = page.replace('<main>', `<main><p>${'w'.repeat(200)}</p>`);
      const { content, window, cut } = await overflowAt(wide, NARROW);
      assert.ok(cut.length > 0 || content > window);
    });
  });
}
