/** What AUTO applies: only rules whose cost is known in all rows compete. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Calibration } from '../../../src/calibration/calibration-schema.js';
import { bestRule } from '../../../src/calibration/choice/fit-choice.js';
import { MODELS } from '../../support/load.js';

const file = path.join(MODELS, 'tiny-reach', 'calibration.json');
const { report, better } = JSON.parse(readFileSync(file, 'utf8')) as Calibration;

test('an average takes part only where the distance to the expert stands in for its cost', () => {
  const choice = report.choice!;
  const saved = { value: 0.9, low: 0.8, high: 1 };
  for (const [name, rule] of [
    ['gated_energy_mean', 'energy_mean'],
    ['consensus_mean', 'consensus_mean'],
  ] as const) {
    const planted = {
      ...choice,
      gains: [
        ...choice.gains.filter((gain) => gain.rule !== name),
        { ...choice.gains[0]!, rule: name, over_first: saved },
      ],
      curves: [
        ...choice.curves.filter((curve) => curve.rule !== name),
        { rule: name, costs: choice.levels.map(() => ({ value: -5, low: -6, high: -4 })) },
      ],
    };
    const chosen = (cost: typeof choice.cost): string | undefined =>
      bestRule({ ...planted, cost }, better, 'may_choose')?.rule;
    assert.equal(chosen('distance_to_expert'), rule);
    assert.notEqual(chosen('given'), rule);
  }
});
