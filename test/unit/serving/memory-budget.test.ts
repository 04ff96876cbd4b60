import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemoryBudget } from '../../../src/serving/memory-budget.js';

it('kept contexts leave less to messages, and give it back', () => {
  const budget = new MemoryBudget(1000);
  const registry = { keptBytes: 0 };
  budget.countKept(registry);
  assert.equal(budget.free, 1000);
  registry.keptBytes = 600;
  assert.equal(budget.free, 400);
  assert.equal(budget.take('messages', 401), undefined);
  const giveBack = budget.take('messages', 400);
  assert.ok(giveBack);
  assert.equal(budget.free, 0);
  registry.keptBytes = 700; // the book's own bound is elsewhere
  assert.equal(budget.free, 0);
  giveBack();
  registry.keptBytes = 0;
  assert.equal(budget.free, 1000);
});
