/** Intervals against SciPy, and how often they hold the truth. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { COVERAGE_CASES, coverage } from '../../../bench/interval-coverage.js';
import {
  betaCdf,
  betaQuantile,
  logGamma,
  studentQuantile,
} from '../../../src/calibration/metrics/distributions.js';
import {
  clopperPearson,
  correlation,
  intervals,
  positive,
  real,
  share,
  squared,
} from '../../../src/calibration/metrics/intervals.js';
import { weightedMean } from '../../../src/calibration/metrics/weighted.js';

interface Golden {
  distributions: {
    beta: { level: number; a: number; b: number; expected: number }[];
    student: { level: number; degrees: number; expected: number }[];
    exact: { hits: number; size: number; low: number; high: number }[];
  };
  interval: { values: number[]; clusters: number[]; expected: { value: number; low: number; high: number } };
}

const file = new URL('../../../../test/golden/calibration_metrics.json', import.meta.url);
const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden;

function close(found: number, wanted: number, tolerance = 1e-9): void {
  assert.ok(
    Math.abs(found - wanted) <= tolerance * Math.max(1, Math.abs(wanted)),
    `${found} is not ${wanted}`,
  );
}

describe('distributions', () => {
  it('quantiles equal those of SciPy', () => {
    for (const { level, a, b, expected } of golden.distributions.beta) {
      close(betaQuantile(level, a, b), expected);
      close(betaCdf(expected, a, b), level, 1e-8);
    }
    for (const { level, degrees, expected } of golden.distributions.student) {
      close(studentQuantile(level, degrees), expected);
    }
    close(logGamma(0.5), Math.log(Math.PI) / 2, 1e-13);
    close(logGamma(11), Math.log(3_628_800), 1e-13);
  });

  it('Clopper and Pearson equals that of SciPy, and is never a point', () => {
    for (const { hits, size, low, high } of golden.distributions.exact) {
      const found = clopperPearson(hits / size, size);
      close(found.low, low);
      close(found.high, high);
      assert.ok(found.low < found.high);
    }
  });
});

describe('intervals', () => {
  it('of a mean are those of the cluster jackknife', () => {
    const { values, clusters, expected } = golden.interval;
    const rows = Float64Array.from(values);
    const [found] = intervals(Int32Array.from(clusters), { mean: real((w) => [weightedMean(rows, w)]) }).mean;
    close(found!.value, expected.value);
    close(found!.low, expected.low);
    close(found!.high, expected.high);
  });

  it('of a share that was always met leave room for what ten episodes cannot show', () => {
    const clusters = Int32Array.from({ length: 200 }, (_, row) => Math.floor(row / 20));
    const [found] = intervals(clusters, { share: share(() => [1]) }).share;
    assert.equal(found!.high, 1);
    close(found!.low, 0.025 ** (1 / 10));
  });

  it('of a correlation stays where correlations are', () => {
    const rows = Float64Array.of(1, 0.9, -0.2);
    const values = (w: Float64Array): number[] => [weightedMean(rows, w)];
    const clusters = Int32Array.of(0, 1, 2);
    const { cut, uncut } = intervals(clusters, { cut: correlation(values), uncut: real(values) });
    assert.ok(uncut[0]!.high > 1 && uncut[0]!.low < -0.2);
    assert.equal(cut[0]!.high, 1);
    assert.equal(cut[0]!.low, Math.max(-1, uncut[0]!.low));
  });

  it('one episode tells no interval, and nothing tells nothing', () => {
    const one = intervals(new Int32Array(5), { mean: real(() => [2]) }).mean[0]!;
    assert.deepEqual(one, { value: 2, low: NaN, high: NaN });
    const none = intervals(Int32Array.of(0, 1, 2), { mean: share(() => [NaN]) }).mean[0]!;
    assert.deepEqual(none, { value: NaN, low: NaN, high: NaN });
    const zero = intervals(Int32Array.of(0, 1, 2), { loss: positive(() => [0]) }).loss[0]!;
    assert.deepEqual(zero, { value: 0, low: 0, high: 0 });
  });

  it('take the bias of a sum of squares away', () => {
    // the squared mean of 40 values of variance 1 and mean 0 is 1/40 by chance alone
    const rows = Float64Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 1 : -1) + 0.1);
    const [found] = intervals(Int32Array.from(rows.keys()), {
      square: squared((w) => [weightedMean(rows, w) ** 2]),
    }).square;
    assert.equal(found!.value, 0); // 0.01 less 1/39
    assert.equal(found!.low, 0);
    assert.ok(found!.high > 0.01);
  });

  // 200 samples: a standard error of 0.015, so an interval that covers 0.95 stays above 0.9 but once in a thousand
  for (const each of COVERAGE_CASES) {
    it(`hold the truth at 10 episodes: ${each.name}`, () => {
      const { coverage: found } = coverage(each, 10, 200, 4);
      assert.ok(found >= 0.9, `${found}`);
    });
  }
});
