import assert from 'node:assert/strict';
import { test } from 'node:test';
import { betterThan, type Validation } from '../../../src/training/validation.js';

const figures = (over: Partial<Validation>): Validation => ({
  ...{ infonce: 1, positiveEnergy: 0, negativeEnergy: 1, accuracy: 0.5 },
  ...over,
});

test('the best is the lowest regret, of equal ones the highest rank correlation, and InfoNCE without costs', () => {
  const best = betterThan(undefined, figures({ regret: 0.2, rankCorrelation: 0.3 }), 1);
  assert.deepEqual(best, { value: 0.2, update: 1, rankCorrelation: 0.3 });
  assert.equal(betterThan(best, figures({ regret: 0.2, rankCorrelation: 0.3, infonce: 0 }), 2), undefined);
  assert.equal(betterThan(best, figures({ regret: 0.3, rankCorrelation: 0.9 }), 2), undefined);
  assert.equal(betterThan(best, figures({ regret: 0.2, rankCorrelation: 0.4 }), 2)?.update, 2);
  assert.equal(betterThan(best, figures({ regret: 0.1, rankCorrelation: -1 }), 2)?.value, 0.1);

  const plain = betterThan(undefined, figures({}), 1);
  assert.deepEqual(plain, { value: 1, update: 1 });
  assert.equal(betterThan(plain, figures({}), 2), undefined);
  assert.equal(betterThan(plain, figures({ infonce: NaN }), 2), undefined);
  assert.equal(betterThan(plain, figures({ infonce: 0.9 }), 2)?.value, 0.9);
});
