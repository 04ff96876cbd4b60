/** Densities of experts' chunks: against SciPy, by likelihood, and as the prior that InfoNCE leaves out. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { densityOf, fitDensity, logDensities } from '../../../src/calibration/choice/density.js';
import { seededRandom } from '../../../src/random.js';

interface Golden {
  density: {
    chunks: number[];
    queries: number[];
    size: number;
    expected: { gaussian: number[]; kde: number[] };
  };
}

const file = new URL('../../../../test/golden/calibration_metrics.json', import.meta.url);
const golden = (JSON.parse(readFileSync(file, 'utf8')) as Golden).density;

function rows(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i);
}

describe('densities', () => {
  const chunks = {
    values: Float32Array.from(golden.chunks),
    clusters: rows(golden.chunks.length / golden.size),
  };
  const places = Array.from({ length: golden.size }, (_, i) => i);

  // what is kept has 8 digits
  it('equal those of SciPy within 1e-5', () => {
    for (const [kind, width] of [['gaussian', undefined] as const, ['kde', 0.3] as const]) {
      const found = logDensities(densityOf(chunks, places, 0, width), Float32Array.from(golden.queries));
      golden.expected[kind].forEach((wanted, i) =>
        assert.ok(Math.abs(found[i]! - wanted) < 1e-5 * Math.abs(wanted), `${found[i]} is not ${wanted}`),
      );
    }
  });

  it('a correlated normal is found to be one, two modes are not, and values that stand still are left out', () => {
    const random = seededRandom(1);
    const make = (modes: boolean): { values: Float32Array; clusters: Int32Array } => ({
      values: Float32Array.from(
        Array.from({ length: 400 }, () => {
          const a = random.normal();
          const side = modes ? (random.uniform() < 0.5 ? -6 : 6) : 0;
          return [side + a, side + a + 0.1 * random.normal(), 0.25];
        }).flat(),
      ),
      clusters: rows(400).map((row) => Math.floor(row / 10)),
    });
    const normal = fitDensity(make(false))!;
    assert.equal(normal.kind, 'gaussian');
    assert.deepEqual(normal.places, [0, 1]);
    const modes = fitDensity(make(true))!;
    assert.equal(modes.kind, 'kde');
    const [inside, between] = logDensities(modes, Float32Array.of(6, 6, 0.25, 0, 0, 0.25));
    assert.ok(inside! > between! + 5);
  });

  it('leave the kernels of the own episode out', () => {
    const random = seededRandom(2);
    const values = Float32Array.from({ length: 60 }, () => random.normal());
    const density = densityOf({ values, clusters: rows(60).map((row) => row % 6) }, [0], 1, 0.1);
    const chunk = values.subarray(0, 1);
    assert.ok(logDensities(density, chunk)[0]! > logDensities(density, chunk, 0)[0]!);
  });

  it('too few episodes, or chunks that never move, have none', () => {
    assert.equal(fitDensity({ values: new Float32Array(30), clusters: rows(30) }), undefined);
    assert.equal(fitDensity({ values: Float32Array.of(1, 2, 3), clusters: rows(3) }), undefined);
  });
});

/**
 * One-dimensional chunks from a mixture of a common and a rare place; a context tells with some error which chunk the expert
 * took. What InfoNCE learns without error is E = -(log p(a|c) - log p(a)); the mode of p(a|c) is the wanted pick.
 */
describe('the prior that InfoNCE leaves out', () => {
  const TRIALS = 300;
  const noise = 1.2;
  const grid = Float32Array.from({ length: 141 }, (_, i) => -4 + i * 0.07);
  const normal = (x: number, mean: number, deviation: number): number =>
    Math.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * Math.sqrt(2 * Math.PI));
  const prior = (a: number): number => 0.85 * normal(a, 0, 1) + 0.15 * normal(a, 4, 0.5);

  /** Trials in which the pick agrees with the mode of p(a|c), without and with correction. */
  function agreements(seed: number): { raw: number; corrected: number } {
    const random = seededRandom(seed);
    const component = (): number => (random.uniform() < 0.85 ? random.normal() : 4 + 0.5 * random.normal());
    const experts = Float32Array.from({ length: 2000 }, component);
    const density = fitDensity({ values: experts, clusters: rows(2000).map((row) => Math.floor(row / 20)) })!;
    const logPrior = logDensities(density, grid);
    let [raw, corrected] = [0, 0];
    for (let trial = 0; trial < TRIALS; trial++) {
      const context = component() + noise * random.normal();
      const posterior = Float64Array.from(grid, (a) => normal(context, a, noise) * prior(a)); // of p(a|c), not normalised
      const energy = Float64Array.from(grid, (a) => -Math.log(normal(context, a, noise))); // up to a constant: p(c) alone
      const mode = grid[posterior.indexOf(Math.max(...posterior))]!;
      const pick = (scores: Float64Array): number => grid[scores.indexOf(Math.min(...scores))]!;
      // one step of the grid is 0.07; the estimated prior moves the mode by a few of them
      if (Math.abs(pick(energy) - mode) < 0.3) raw++;
      if (Math.abs(pick(energy.map((value, i) => value - logPrior[i]!)) - mode) < 0.3) corrected++;
    }
    return { raw, corrected };
  }

  it('makes the corrected argmin agree with the mode of p(a|c), which the lowest energy does not', () => {
    for (const seed of [3, 4, 7]) {
      const { raw, corrected } = agreements(seed);
      assert.ok(corrected / TRIALS > 0.95, `corrected agrees in ${corrected} of ${TRIALS}, seed ${seed}`);
      assert.ok(raw / TRIALS < 0.4, `uncorrected agrees in ${raw} of ${TRIALS}, seed ${seed}`);
    }
  });
});
