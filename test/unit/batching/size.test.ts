import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pace, ServiceEstimate } from '../../../src/batching/size.js';

describe('engine time', () => {
  it('estimates from finished batches, weighs them by size, and relaxes', () => {
    const estimate = new ServiceEstimate();
    const size = { tokens: 100, steps: 10, contexts: 1 };
    assert.equal(estimate.ms(size), 0);
    estimate.record({ tokens: 1000, steps: 0, contexts: 1 }, 50, 0);
    estimate.record({ tokens: 0, steps: 100, contexts: 0 }, 0, 200);
    assert.ok(Math.abs(estimate.ms(size) - (100 * 0.05 + 10 * 2)) < 1e-9);
    estimate.record({ tokens: 1, steps: 0, contexts: 1 }, 5, 0); // one token at 100 times the rate
    assert.ok(estimate.ms({ ...size, steps: 0 }) < 6);
    const before = estimate.ms(size);
    estimate.relax();
    assert.ok(estimate.ms(size) < before);
    for (let i = 0; i < 100; i++) estimate.record({ tokens: 100, steps: 0, contexts: 1 }, 100, 0);
    assert.ok(Math.abs(estimate.ms({ ...size, steps: 0 }) - 100) < 1);
  });

  it('follows a pace that changes', () => {
    const pace = new Pace(0.95);
    assert.equal(pace.msPerUnit, 0);
    pace.record(100, 10);
    assert.equal(pace.msPerUnit, 10);
    for (let i = 0; i < 100; i++) pace.record(40, 2);
    assert.ok(Math.abs(pace.msPerUnit - 20) < 0.1);
  });
});
