/** The metrics against an independent implementation: test/golden/calibration_metrics.py. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { expertPValue, expertSample } from '../../../src/calibration/fit/experts.js';
import { marginQuantiles } from '../../../src/calibration/fit/fit-calibration.js';
import { aurocStatistic, winRates } from '../../../src/calibration/metrics/auroc.js';
import {
  binShares,
  driftReference,
  populationStabilityIndex,
} from '../../../src/calibration/metrics/drift.js';
import { ownScores, swapScores, type CandidateGroups } from '../../../src/calibration/metrics/groups.js';
import { expertRanks, infonceRows } from '../../../src/calibration/metrics/infonce.js';
import { monotonicityViolations, noiseCorrelations } from '../../../src/calibration/metrics/order.js';
import { expectedCalibrationError } from '../../../src/calibration/metrics/reliability.js';
import { weightedDeviation, weightedMean } from '../../../src/calibration/metrics/weighted.js';
import { fitTemperature } from '../../../src/calibration/fit/temperature.js';

interface GroupCase {
  name: string;
  tau: number;
  width: number;
  scores: number[];
  own: number[];
  usable: number[];
  expected: Record<string, number> & { margin_quantiles: number[] };
}
interface Golden {
  groups: GroupCase[];
  noise: { levels: number; energies: number[]; expected: { spearman: number; violations: number } };
  psi: { reference: number[]; live: number[]; expected: number };
  p_values: { experts: number[]; energies: number[]; expected: number[] };
}

const file = new URL('../../../../test/golden/calibration_metrics.json', import.meta.url);
const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden;

function close(found: number, wanted: number | undefined, tolerance = 1e-9): void {
  assert.ok(wanted !== undefined && Math.abs(found - wanted) <= tolerance, `${found} is not ${wanted}`);
}

function ones(count: number): Float64Array {
  return new Float64Array(count).fill(1);
}

for (const { name, tau, width, scores, own, usable, expected } of golden.groups) {
  describe(`metrics of ${name}`, () => {
    const groups: CandidateGroups = {
      rows: own.length,
      width,
      scores: Float64Array.from(scores),
      own: Int32Array.from(own),
      usable: Uint8Array.from(usable),
    };
    const all = ones(own.length);
    const positive = ownScores(groups);
    const negative = swapScores(groups);

    it('InfoNCE loss, chance and calibration error', () => {
      const { loss, chance, confidence, correct } = infonceRows(groups, tau);
      close(weightedMean(loss, all), expected['loss']);
      close(weightedMean(chance, all), expected['chance']);
      close(expectedCalibrationError(confidence, correct, all), expected['ece']);
    });

    it('ranks', () => {
      const ranks = expertRanks(groups);
      const share = (k: number): number => ranks.filter((rank) => rank <= k).length / ranks.length;
      close(share(1), expected['top1']);
      close(share(5), expected['top5']);
      close(
        weightedMean(
          ranks.map((rank) => 1 / rank),
          all,
        ),
        expected['mrr'],
      );
    });

    it('energies, AUROC and win rate', () => {
      const spread = ones(negative.length);
      close(weightedMean(positive, all), expected['positive_energy']);
      close(weightedMean(negative, spread), expected['negative_energy']);
      close(weightedDeviation(positive, all), expected['positive_spread']);
      close(weightedDeviation(negative, spread), expected['negative_spread']);
      close(aurocStatistic(positive, negative)(all)[0]!, expected['swap_auroc']);
      close(weightedMean(winRates(positive, negative), all), expected['swap_win_rate']);
    });

    it('margin quantiles', () => {
      const { expert } = marginQuantiles(positive, negative, negative);
      expert.forEach((value, i) => close(value, expected.margin_quantiles[i]));
    });

    it('temperature', () => {
      const fit = fitTemperature(groups, tau);
      if (fit.status === 'fitted') close(fit.tau / expected['fitted_tau']!, 1, 1e-5);
      else
        assert.ok(expected['fitted_tau']! > 100, `${fit.status}, but SciPy found ${expected['fitted_tau']}`);
    });
  });
}

describe('other metrics', () => {
  it('noise: Spearman and monotonicity violations', () => {
    const { levels, energies, expected } = golden.noise;
    const values = Float64Array.from(energies);
    const all = ones(values.length / levels);
    close(weightedMean(noiseCorrelations(values, levels), all), expected.spearman);
    close(weightedMean(monotonicityViolations(values, levels), all), expected.violations);
  });

  it('population stability index', () => {
    const reference = driftReference(Float64Array.from(golden.psi.reference));
    const shares = binShares(reference.edges, Float64Array.from(golden.psi.live));
    close(populationStabilityIndex(reference, shares), golden.psi.expected);
  });

  it('conformal p-values', () => {
    const { experts, energies, expected } = golden.p_values;
    const sample = expertSample(Float64Array.from(experts));
    energies.forEach((energy, i) => close(expertPValue(sample, energy), expected[i]));
  });

  it('a weighted metric equals the metric of repeated rows', () => {
    const positive = Float64Array.of(1, 2, 3, 4);
    const negative = Float64Array.of(2, 2.5, 1, 5);
    const weights = Float64Array.of(2, 0, 1, 3);
    const repeat = (values: Float64Array): Float64Array =>
      Float64Array.from([...values].flatMap((value, i) => new Array<number>(weights[i]!).fill(value)));
    const [weighted] = aurocStatistic(positive, negative)(weights);
    const [repeated] = aurocStatistic(repeat(positive), repeat(negative))(ones(6));
    close(weighted!, repeated);
  });
});
