import assert from 'node:assert/strict';
import { it } from 'node:test';
import { driftReference } from '../../../src/calibration/metrics/drift.js';
import { infonceRows } from '../../../src/calibration/metrics/infonce.js';
import { seededRandom } from '../../../src/random.js';
import { DriftWindow, FEWEST_FOR_DRIFT, qualityRow, meanRow } from '../../../src/quality/figures.js';

const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-12, `${a} and ${b}`);

it('a row is the row of the calibration report', () => {
  const random = seededRandom(5);
  for (let i = 0; i < 50; i++) {
    const negatives = Float64Array.from({ length: 1 + random.below(12) }, () => random.normal());
    const positive = random.normal() - 1;
    const row = qualityRow(positive, negatives, 0.3);
    const scores = Float64Array.from([positive, ...negatives]);
    const groups = {
      rows: 1,
      width: scores.length,
      scores,
      own: Int32Array.from([0]),
      usable: new Uint8Array(scores.length).fill(1),
    };
    const { loss, chance, correct } = infonceRows(groups, 0.3);
    close(row.loss, loss[0]!);
    close(row.chance, chance[0]!);
    assert.equal(row.accuracy, correct[0]);
    close(row.gap, row.negative - positive);
  }
});

it('a tie is a miss, and energies far apart do not overflow', () => {
  assert.equal(qualityRow(1, Float64Array.from([1, 2]), 0.5).accuracy, 0);
  assert.equal(qualityRow(-5000, Float64Array.from([5000]), 0.5).loss, 0);
  assert.equal(qualityRow(5000, Float64Array.from([-5000]), 0.5).loss, 20_000);
});

it('means are by column', () => {
  const rows = [qualityRow(0, Float64Array.from([1]), 1), qualityRow(2, Float64Array.from([1]), 1)];
  const mean = meanRow(rows);
  assert.equal(mean.positive, 1);
  assert.equal(mean.negative, 1);
  assert.equal(mean.gap, 0);
  assert.equal(mean.accuracy, 0.5);
});

it('the drift index is small for experts, large for a shifted or wider distribution, absent for too few', () => {
  const random = seededRandom(6);
  const reference = driftReference(Float64Array.from({ length: 5000 }, () => random.normal()));
  const index = (count: number, energy: () => number): number | undefined => {
    const window = new DriftWindow({ capacity: 1024, maxAgeMs: 1000 });
    for (let i = 0; i < count; i++) window.push(0, energy());
    return window.index(500, reference);
  };
  assert.ok(index(1024, () => random.normal())! < 0.05);
  assert.ok(index(1024, () => random.normal() + 0.5)! > 0.15);
  assert.ok(index(1024, () => 2 * random.normal())! > 0.25);
  assert.equal(
    index(FEWEST_FOR_DRIFT - 1, () => 0),
    undefined,
  );
  const old = new DriftWindow({ capacity: 1024, maxAgeMs: 1000 });
  for (let i = 0; i < 1024; i++) old.push(0, 0);
  assert.equal(old.index(1001, reference), undefined);
});
