/** The report of a calibration as people see it: page, pictures, terminal. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { evaluateCalibration } from '../../../src/calibration/calibrate.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { VERDICT_TEXT } from '../../../src/calibration/choice/verdict.js';
import { renderPage } from '../../../src/calibration/report/html/page.js';
import { pictures } from '../../../src/calibration/report/html/pictures.js';
import { standalone } from '../../../src/calibration/report/html/svg.js';
import type { ReportBin } from '../../../src/calibration/report/report-schema.js';
import { summaryText } from '../../../src/calibration/report/summary.js';
import { calibrated, DIGEST, engineFor } from './calibrated.js';
import { syntheticCard, syntheticData, syntheticTensors, withCandidates } from './synthetic.js';

describe('report', () => {
  it('is one page without scripts or outside references, and escapes names', async () => {
    const calibration = await calibrated(await syntheticData(120));
    const page = renderPage({
      ...calibration,
      model: '<img src=x onerror=alert(1)>',
      weightsDigest: DIGEST,
      findings: [{ probe: 'p<', level: 'warning', measured: 'm', means: 'x', act: 'y' }],
    });
    assert.doesNotMatch(page, /<script|<img|<link|https?:|url\(|NaN|undefined/);
    assert.equal(page.match(/<svg /g)?.length, 6);
    assert.match(page, /p&#60;/);
  });

  it('says the verdict first, then the control with its curve; and that it saw fitted rows', async () => {
    const tensors = withCandidates(syntheticTensors(240, 1), 8);
    const data = await calibrationData([memoryColumns('file', tensors)], syntheticCard());
    const calibration = await calibrated(data);
    const named = { ...calibration, model: 'm', weightsDigest: DIGEST };
    const page = renderPage(named);
    const text = page.replaceAll(/<style>.*?<\/style>/gs, '').replaceAll(/<[^>]*>/g, ' ');
    const places = [
      `This model ${VERDICT_TEXT[calibration.verdict]}.`,
      ...calibration.report.verdict.reasons.map((reason) => reason.replaceAll("'", '&#39;')),
      'May it choose?',
      'Figure 1.',
      'Choosing among 8 candidates',
      'Cost by number of candidates',
      'Is it calibrated?',
      'By task, the hardest first',
      'Hardest rows',
      'Worst picks',
      'Off the diagonal',
      DIGEST,
    ].map((part) => text.indexOf(part));
    assert.ok(
      places.every((place, i) => place > (places[i - 1] ?? -1)),
      places.join(' '),
    );
    assert.doesNotMatch(text, /were fitted on:|NaN|undefined/);
    // the same rows again
    const report = await evaluateCalibration(calibration, {
      engine: engineFor(),
      card: syntheticCard(),
      weightsDigest: DIGEST,
      data,
    });
    const again = renderPage({ ...named, report, data: { ...named.data, split: null } });
    assert.match(again, /class="warning-line">\d+ of the 240 rows were fitted on/);
  });

  it('a picture is a file of its own, and has no line through an empty bin', async () => {
    const calibration = await calibrated(await syntheticData(120));
    const { report } = calibration;
    for (const bins of [report.reliability.before, report.reliability.after]) {
      assert.equal(
        bins.reduce((sum, { count }) => sum + count, 0),
        report.rows,
      );
    }
    const bin = (place: number, count: number): ReportBin => ({
      count,
      share: count / 60,
      confidence: count === 0 ? null : (place + 0.5) / 15,
      accuracy: count === 0 ? { value: null, low: null, high: null } : { value: 0.5, low: 0.4, high: 0.6 },
    });
    // rows in bins 2, 3 and 9: a bar for each, and one line, between the two neighbours
    const after = Array.from({ length: 15 }, (_, place) => bin(place, [2, 3, 9].includes(place) ? 20 : 0));
    const before = after.map((_, place) => bin(place, 0));
    const reliability = { ...report.reliability, before, after };
    const drawn = pictures({ ...calibration, report: { ...report, reliability } });
    const { svg } = drawn.find(({ name }) => name === 'reliability')!;
    assert.equal(svg.match(/stroke-opacity="0.45"/g)?.length, 4);
    assert.equal(svg.match(/>20</g)?.length, 3);
    assert.match(standalone(svg), /^<svg xmlns="[^"]+" width="470" height="\d+" [^>]*><style>/);
  });

  it('is a terminal summary too', async () => {
    const text = summaryText(await calibrated(await syntheticData(120)));
    assert.match(text, /temperature +0\.0/);
    assert.match(text, /gripper_flip +\d/);
    assert.doesNotMatch(text, /NaN|undefined/);
  });
});
