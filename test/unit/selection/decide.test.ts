import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide, plan, type Terms } from '../../../src/selection/decide.js';
import { samplesOf } from '../../../src/selection/rules.js';

const TERMS: Terms = {
  version: '0123456789abcdef',
  mayChoose: true,
  gate: { margin: 0.5, bound: 0.05, candidates: 64 },
  best: { rule: 'energy_mean', finding: 'energy_mean costs 0.1 [0.05, 0.15] less than the baseline' },
};
const VALUES = Float32Array.of(0, 0.3, 0.1, 0.2);
const samplesTraits = { dims: 1, twoValued: undefined, oneUnit: true };
const SAMPLES = samplesOf({ values: VALUES, candidates: 4, steps: 1 }, samplesTraits, 1);
/** The baseline is candidate 1; the lowest lies 0.6 below it. */
const ENERGIES = Float64Array.of(0.4, 1, 0.9, 0.8);

const asked = (rule: Parameters<typeof plan>[0]['rule'], ungated = false) => ({ rule, ungated });

describe('what a calibration allows', () => {
  const cases: [string, ReturnType<typeof plan>, string][] = [
    ['no calibration', plan(asked('energy'), undefined, true), 'not_calibrated'],
    ['no calibration, auto', plan(asked('auto'), undefined, true), 'not_calibrated'],
    ['verdict', plan(asked('energy'), { ...TERMS, mayChoose: false }, true), 'must_not_choose'],
    [
      'verdict, auto',
      plan(asked('auto'), { ...TERMS, mayChoose: false, best: undefined }, true),
      'must_not_choose',
    ],
    ['no finding', plan(asked('auto'), { ...TERMS, best: undefined }, true), 'not_calibrated'],
    ['no gate', plan(asked('energy_mean'), { ...TERMS, gate: undefined }, true), 'not_calibrated'],
    ['closed', plan(asked('consensus_of_best'), TERMS, false), 'gate_closed'],
    ['closed, auto', plan(asked('auto'), TERMS, false), 'gate_closed'],
  ];
  for (const [name, planned, fallback] of cases) {
    test(`${name}: the baseline, with the reason`, () => {
      assert.equal(planned.kind === 'baseline' && planned.fallback, fallback);
      const { chunk, origin, index, reason, weights } = decide(
        planned,
        SAMPLES,
        { without: 'overload' },
        false,
      );
      assert.deepEqual([...chunk], [VALUES[1]]);
      assert.deepEqual([origin, index, [...weights]], ['baseline', 1, [0, 1, 0, 0]]);
      assert.match(reason, /^the baseline: ./);
    });
  }

  test('a consensus asks nobody', () => {
    for (const terms of [undefined, { ...TERMS, mayChoose: false }]) {
      assert.equal(plan(asked('consensus'), terms, false).kind, 'rule');
      assert.equal(plan(asked('consensus_mean'), terms, false).kind, 'rule');
    }
    const best = { rule: 'consensus', finding: 'the consensus was better' } as const;
    assert.equal(plan(asked('auto'), { ...TERMS, mayChoose: false, best }, false).kind, 'rule');
  });

  test('ungated asks nobody either, and says so', () => {
    const planned = plan(asked('energy', true), undefined, false);
    const { index, gate, reason } = decide(planned, SAMPLES, ENERGIES, true);
    assert.deepEqual([index, gate], [0, undefined]);
    assert.match(reason, /without a gate/);
  });
});

describe('the gate', () => {
  test('accepts from the margin on', () => {
    for (const [margin, accepted] of [
      [0.59, true],
      [0.6, true],
      [0.61, false],
    ] as const) {
      const planned = plan(
        asked('energy'),
        { ...TERMS, gate: { margin, bound: 0.05, candidates: 64 } },
        true,
      );
      const decision = decide(planned, SAMPLES, ENERGIES, false);
      assert.equal(decision.gate?.accepted, accepted);
      assert.equal(decision.gate.wanted, margin);
      assert.ok(Math.abs(decision.gate.found - 0.6) < 1e-12);
      assert.equal(decision.fallback, accepted ? undefined : 'gate_refused');
      assert.equal(decision.index, accepted ? 0 : 1);
    }
  });

  test('is good for so many candidates: of more, the baseline and the first others count', () => {
    // the lowest energy is the last candidate's, and the baseline is beyond the first three
    const samples = samplesOf({ values: VALUES, candidates: 4, steps: 1 }, samplesTraits, 2);
    const energies = Float64Array.of(0.5, 0.4, 1, 0.1);
    const gated = (candidates: number, rule: 'energy' | 'energy_mean' = 'energy') =>
      decide(
        plan(asked(rule), { ...TERMS, gate: { margin: 0.1, bound: 0.05, candidates } }, true),
        samples,
        energies,
        false,
      );
    assert.equal(gated(4).index, 3);
    assert.equal(gated(3).index, 1);
    assert.equal(gated(2).index, 0);
    assert.deepEqual([gated(1).fallback, gated(0).fallback], ['gate_refused', 'gate_refused']);
    assert.match(gated(3).reason, /of the first 3/);
    const { weights } = gated(3, 'energy_mean');
    assert.equal(weights[3], 0);
    assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-12);
  });

  test('the control arm executes the baseline where the gate accepted, and only there', () => {
    const accepted = decide(plan(asked('energy'), TERMS, true), SAMPLES, ENERGIES, true);
    assert.deepEqual([accepted.fallback, accepted.index, accepted.gate?.accepted], ['control', 1, true]);
    const refused = decide(
      plan(asked('energy'), { ...TERMS, gate: { margin: 2, bound: 0.05, candidates: 64 } }, true),
      SAMPLES,
      ENERGIES,
      true,
    );
    assert.equal(refused.fallback, 'gate_refused');
    const consensus = decide(plan(asked('consensus'), TERMS, true), SAMPLES, ENERGIES, true);
    assert.equal(consensus.fallback, undefined);
  });

  test('auto says which rule, and why it', () => {
    const decision = decide(plan(asked('auto'), TERMS, true), SAMPLES, ENERGIES, false);
    assert.equal(decision.rule, 'energy_mean');
    assert.match(decision.reason, /^auto: energy_mean costs 0\.1 .* mean weighted by energy/);
  });
});

describe('without energies', () => {
  for (const without of ['deadline', 'overload', 'engine'] as const) {
    test(`${without}: the baseline for an energy rule, the consensus for itself`, () => {
      const energy = decide(plan(asked('energy'), TERMS, true), SAMPLES, { without }, false);
      assert.deepEqual([energy.origin, energy.fallback, energy.gate], ['baseline', without, undefined]);
      const consensus = decide(plan(asked('consensus'), TERMS, true), SAMPLES, { without }, false);
      assert.deepEqual([consensus.origin, consensus.fallback], ['candidate', undefined]);
      assert.match(consensus.reason, /without energies/);
    });
  }

  test('energies that are not finite are refused, not chosen by', () => {
    assert.throws(() =>
      decide(plan(asked('energy'), TERMS, true), SAMPLES, Float64Array.of(0, NaN, 1, 2), false),
    );
  });
});
