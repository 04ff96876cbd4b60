/** Choosing among candidates: expected costs, gate, control and verdict, on planted verifiers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { boundHeld, gatedCurve, plantedTable, verdictOf, VERIFIERS } from '../../../bench/gate-simulation.js';
import { levelsOf, lowestOfSubset, pickCosts } from '../../../src/calibration/choice/candidate-table.js';
import { controlReport, rankCorrelations } from '../../../src/calibration/choice/control.js';
import { applyGate, fitGate } from '../../../src/calibration/choice/fit-gate.js';
import { judge } from '../../../src/calibration/choice/verdict.js';
import { seededRandom } from '../../../src/random.js';

function close(found: number, wanted: number, tolerance = 1e-12): void {
  assert.ok(Math.abs(found - wanted) <= tolerance, `${found} is not ${wanted}`);
}

/** All subsets of `chosen` of 0 to total - 1. */
function subsets(total: number, chosen: number, first = 0): number[][] {
  if (chosen === 0) return [[]];
  const out: number[][] = [];
  for (let i = first; i <= total - chosen; i++) {
    for (const rest of subsets(total, chosen - 1, i + 1)) out.push([i, ...rest]);
  }
  return out;
}

describe('expected costs', () => {
  const scores = Float64Array.of(0.3, 0.1, 0.9, 0.1, 0.5, 0.2);
  const cost = Float64Array.of(1, 4, 2, 8, 3, 0);
  const table = { rows: 1, width: 6, cost };

  it('are those of all subsets, ties by lot', () => {
    const found = pickCosts(table, scores);
    levelsOf(6).forEach((n, level) => {
      const costs = subsets(6, n).map((members) => {
        const least = Math.min(...members.map((i) => scores[i]!));
        const ties = members.filter((i) => scores[i] === least);
        return ties.reduce((sum, i) => sum + cost[i]! / ties.length, 0);
      });
      close(found[level]!, costs.reduce((a, b) => a + b, 0) / costs.length);
    });
    close(
      lowestOfSubset(6, 3).reduce((a, b) => a + b, 0),
      1,
    );
  });

  it('under a gate are those of all subsets with the first candidate', () => {
    const distinct = Float64Array.of(0.35, 0.1, 0.9, 0.15, 0.5, 0.2);
    for (const margin of [0, 0.18, 0.22]) {
      const found = applyGate(table, distinct, { margin, candidates: 3 });
      const outcomes = subsets(5, 2).map((others) => {
        const members = [0, ...others.map((i) => i + 1)];
        const pick = members.reduce((best, i) => (distinct[i]! < distinct[best]! ? i : best));
        return pick !== 0 && distinct[0]! - distinct[pick]! >= margin ? pick : 0;
      });
      const mean = (of: (pick: number) => number): number =>
        outcomes.reduce((sum, pick) => sum + of(pick), 0) / outcomes.length;
      close(
        found.chosen[0]!,
        mean((pick) => (pick === 0 ? 0 : 1)),
      );
      close(
        found.harm[0]!,
        mean((pick) => (cost[pick]! > cost[0]! ? 1 : 0)),
      );
      close(
        found.cost[0]!,
        mean((pick) => cost[pick]!),
      );
    }
  });
});

describe('control', () => {
  const size = { episodes: 60, contexts: 10, candidates: 8 };
  const options = {
    better: 'readout',
    tau: 1,
    experts: { n: 1, values: [0], at_least: [1] },
    gates: { readout: null, logit: null, corrected: null },
  } as const;

  it('an oracle recovers all regret, chance none, and rank correlation has its sign', () => {
    const table = plantedTable(VERIFIERS[0]!, size, seededRandom(1));
    const perfect = { ...table, scores: { readout: table.cost, logit: table.scores.logit } };
    const report = controlReport(perfect, options);
    const gain = report.gains.find(({ rule }) => rule === 'readout')!;
    close(gain.regret_recovered.value!, 1);
    close(report.rank_correlation.find(({ score }) => score === 'readout')!.value.value!, 1);
    const random = controlReport(table, options).gains.find(({ rule }) => rule === 'readout')!;
    assert.ok(random.over_random.low! < 0 && random.over_random.high! > 0);
    assert.deepEqual(
      [...rankCorrelations(Float64Array.of(1, 2, 2, 1), Float64Array.of(1, 1, 1, 2), 2)],
      [NaN, -1],
    );
  });

  it('says when more candidates hurt', () => {
    const table = plantedTable(
      { ...VERIFIERS[3]!, exploitable: 0.05 },
      { ...size, candidates: 64 },
      seededRandom(2),
    );
    const { peak } = controlReport(table, options);
    assert.ok(peak.candidates < 64 && peak.loss_at_most.low! > 0);
  });

  it('of candidates that cost the same none hurts, whatever rounding says', () => {
    const table = plantedTable(VERIFIERS[0]!, size, seededRandom(3));
    const equal = { ...table, cost: table.cost.map(() => 0.1), scores: { ...table.scores } };
    equal.scores.readout = equal.scores.readout.map(() => 1); // all tie
    const { peak, gains } = controlReport(equal, options);
    assert.equal(peak.loss_at_most.value, 0);
    const { over_random, over_first } = gains.find(({ rule }) => rule === 'readout')!;
    assert.deepEqual([over_random.value, over_first.value], [0, 0]);
  });
});

// A short form of `npm run bench:gate`, which counts 20 verdicts, 200 splits and 256 candidates.
describe('planted verifiers', () => {
  for (const verifier of VERIFIERS) {
    it(`${verifier.name}: the verdict is right, and more candidates do no harm under the gate`, () => {
      for (const seed of [100, 101]) {
        const size = { episodes: 160, contexts: 20, candidates: 32 };
        const { verdict, gate, heldOut } = verdictOf(verifier, size, seed);
        assert.equal(verdict.verdict, verifier.verdict, verdict.reasons.join(' '));
        if (gate === undefined) continue;
        const success = gatedCurve(heldOut, gate).map((point) => point.success);
        assert.ok(Math.max(...success) - success.at(-1)! <= 0.01);
      }
    });
  }

  it('the bound on harm holds on episodes that were not fitted on', () => {
    for (const verifier of [VERIFIERS[1]!, VERIFIERS[3]!]) {
      const { held, gates } = boundHeld(verifier, { episodes: 150, contexts: 20, candidates: 8 }, 60, 12, 7);
      assert.ok(held >= 11 && gates > 0, `${held} of 12, ${gates} gates`);
    }
  });

  it('a gate that would be needed but has too few rows is not given', () => {
    const table = plantedTable(VERIFIERS[1]!, { episodes: 10, contexts: 2, candidates: 8 }, seededRandom(3));
    assert.equal(fitGate(table, table.scores.readout), undefined);
  });
});

describe('verdict', () => {
  const NONE = { readout: null, logit: null, corrected: null };
  const preference = { value: 0.1, low: -0.1, high: 0.3 };

  it('without candidates says what could not be judged', () => {
    const { verdict, reasons } = judge({
      better: 'readout',
      choice: undefined,
      gates: NONE,
      preference,
    });
    assert.equal(verdict, 'must_not_choose');
    assert.match(reasons[0]!, /no `candidates`/);
    assert.match(reasons[1]!, /No preference/);
  });
});
