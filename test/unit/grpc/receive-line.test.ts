import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReceiveLine } from '../../../src/grpc/transport/receive-line.js';
import { MemoryBudget } from '../../../src/serving/memory-budget.js';
import { FakeClock } from '../../support/fake-clock.js';

const OPTIONS = { most: 2, placeMs: 100, patienceMs: 1_000 };

function lineOf(limit = 1_000) {
  const clock = new FakeClock();
  const budget = new MemoryBudget(limit);
  const begun: string[] = [];
  const line = new ReceiveLine({ ...OPTIONS, budget, clock });
  const enter = (name: string, bytes: number, deadlineMs = Infinity) =>
    line.enter(bytes, deadlineMs, () => begun.push(name));
  return { clock, budget, begun, line, enter };
}

describe('the line of uploads', () => {
  it('reads a few at a time, then the one with the earliest deadline', () => {
    const { begun, enter } = lineOf();
    const first = enter('first', 10, 900);
    enter('second', 10, 900);
    enter('late', 10, 800);
    enter('patient', 10); // as if at 1000
    enter('early', 10, 300);
    assert.deepEqual(begun, ['first', 'second']);
    first.leave();
    first.leave();
    assert.deepEqual(begun, ['first', 'second', 'early']);
  });

  it('reads others beside one that is slow, which keeps its memory', async () => {
    const { clock, begun, budget, enter } = lineOf();
    const slow = enter('slow', 10);
    enter('slower', 10);
    enter('next', 10);
    await clock.advance(OPTIONS.placeMs);
    assert.deepEqual(begun, ['slow', 'slower', 'next']);
    assert.equal(budget.taken('messages'), 30);
    slow.giveBack();
    slow.giveBack();
    assert.equal(budget.taken('messages'), 20);
  });

  it('begins nothing for which there is no memory, and goes on when some is given back', () => {
    const { begun, budget, line, enter } = lineOf(100);
    const large = enter('large', 80);
    enter('next', 50, 500);
    enter('small', 10, 600);
    assert.deepEqual(begun, ['large']); // the small one does not pass: it would keep the large one out for ever
    assert.equal(line.waitingBytes, 60);
    large.giveBack();
    assert.deepEqual(begun, ['large', 'next', 'small']);
    assert.equal(budget.taken('messages'), 60);
    assert.equal(line.waitingBytes, 0);
  });

  it('whatever comes and goes: memory within the budget, nothing lost, nothing left', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('enter' as const),
        bytes: fc.integer({ min: 1, max: 60 }),
        deadlineMs: fc.nat(500),
      }),
      fc.record({ kind: fc.constantFrom('leave' as const, 'giveBack' as const), pick: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { budget, begun, line, enter } = lineOf(100);
        const places: ReturnType<typeof enter>[] = [];
        for (const each of steps) {
          if (each.kind === 'enter') places.push(enter(String(places.length), each.bytes, each.deadlineMs));
          else if (places.length > 0) places[each.pick % places.length]![each.kind]();
          assert.ok(budget.taken('messages') <= budget.limit);
        }
        for (const place of places) place.giveBack();
        assert.equal(budget.taken('messages'), 0);
        assert.equal(line.waiting, 0);
        assert.equal(line.waitingBytes, 0);
        assert.equal(new Set(begun).size, begun.length);
      }),
    );
  });
});
