import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FairDeadlineQueue, type QueueBounds, type QueueItem } from '../../../src/batching/queue.js';
import { costOf } from '../../../src/batching/size.js';

interface Item extends QueueItem {
  readonly orderMs: number;
  readonly arrival: number;
}

const bounds: QueueBounds = { maxItems: 12, maxBytes: 100, clientShare: 0.5, quantum: 20, patienceMs: 40 };
const MAX_COST = 30;

const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      client: fc.constantFrom('a', 'b', 'c', 'd'),
      delayMs: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(Infinity)),
      bytes: fc.integer({ min: 0, max: 20 }),
      tokens: fc.integer({ min: 0, max: MAX_COST / 2 }),
      steps: fc.integer({ min: 0, max: MAX_COST / 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 30 }) }),
  },
);

function item(client: string, overrides: Partial<QueueItem> = {}): QueueItem {
  const size = { tokens: 10, steps: 0, contexts: 1 };
  return { client, deadlineMs: Infinity, bytes: 1, size, ...overrides };
}

function roomy(overrides: Partial<QueueBounds> = {}): FairDeadlineQueue<QueueItem> {
  return new FairDeadlineQueue({ ...bounds, maxItems: 10_000, maxBytes: 1e6, clientShare: 1, ...overrides });
}

describe('queue', () => {
  it('loses nothing, doubles nothing, keeps its bounds, and takes the earliest of a client', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 150, size: 'max' }), (commands) => {
        const queue = new FairDeadlineQueue<Item>(bounds);
        const model = new Set<Item>();
        let nowMs = 0;
        for (const [arrival, c] of commands.entries()) {
          if (c.kind === 'push') {
            const deadlineMs = nowMs + c.delayMs;
            const size = { tokens: c.tokens, steps: c.steps, contexts: 1 };
            const orderMs = c.delayMs === Infinity ? nowMs + bounds.patienceMs : deadlineMs;
            const one: Item = { client: c.client, deadlineMs, bytes: c.bytes, size, orderMs, arrival };
            const own = [...model].filter(({ client }) => client === c.client);
            const bytes = (items: Iterable<Item>): number => [...items].reduce((sum, i) => sum + i.bytes, 0);
            let wanted: string | undefined;
            if (model.size === 12) wanted = 'queue_full';
            else if (bytes(model) + c.bytes > 100) wanted = 'queue_bytes';
            else if (own.length > 0 && (own.length === 6 || bytes(own) + c.bytes > 50)) {
              wanted = 'client_share';
            }
            assert.equal(queue.push(one, nowMs), wanted);
            if (wanted === undefined) model.add(one);
          } else if (c.kind === 'take') {
            const first = queue.peek();
            const taken = queue.take();
            assert.equal(taken, first);
            assert.equal(taken === undefined, model.size === 0);
            if (taken === undefined) continue;
            assert.ok(model.delete(taken));
            for (const other of model) {
              if (other.client !== taken.client) continue;
              assert.ok(
                taken.orderMs < other.orderMs ||
                  (taken.orderMs === other.orderMs && taken.arrival < other.arrival),
              );
            }
          } else if (c.kind === 'remove') {
            const picked = [...model][c.pick % Math.max(1, model.size)];
            if (picked === undefined) continue;
            assert.ok(queue.remove(picked));
            assert.ok(!queue.remove(picked));
            model.delete(picked);
          } else {
            nowMs += c.ms;
            const expired = queue.takeExpired(nowMs);
            const wanted = [...model].filter(({ deadlineMs }) => deadlineMs <= nowMs);
            assert.deepEqual(new Set(expired), new Set(wanted));
            assert.equal(expired.length, wanted.length);
            for (const one of expired) model.delete(one);
          }
          assert.equal(queue.count, model.size);
          assert.equal(
            queue.bytes,
            [...model].reduce((sum, i) => sum + i.bytes, 0),
          );
          assert.equal(
            queue.size.tokens,
            [...model].reduce((sum, i) => sum + i.size.tokens, 0),
          );
          assert.equal(queue.nextDeadlineMs, Math.min(Infinity, ...[...model].map((i) => i.deadlineMs)));
        }
        assert.deepEqual(new Set(queue.takeAll()), model);
        assert.equal(queue.count, 0);
      }),
      { numRuns: 300 },
    );
  });

  it('charges two clients that both wait alike, within the bound, however they flood', () => {
    const cost = fc.integer({ min: 1, max: MAX_COST });
    const backlog = fc.array(fc.record({ cost, deadlineMs: fc.integer({ min: 1, max: 1000 }) }), {
      minLength: 5,
      size: 'max',
      maxLength: 120,
    });
    fc.assert(
      fc.property(backlog, backlog, backlog, fc.nat({ max: 60 }), (a, b, c, joinAfter) => {
        const queue = roomy();
        const add = (client: string, items: typeof a): void => {
          for (const { cost, deadlineMs } of items) {
            queue.push(item(client, { deadlineMs, size: { tokens: cost, steps: 0, contexts: 0 } }), 0);
          }
        };
        add('a', a);
        add('b', b);
        const left = new Map([
          ['a', a.length],
          ['b', b.length],
        ]);
        // charges of each pair of clients over the time that both wait
        const since = new Map<string, number>();
        for (let taken = 0; queue.count > 0; taken++) {
          if (taken === joinAfter) {
            add('c', c);
            left.set('c', c.length);
          }
          const { client, size } = queue.take()!;
          for (const [other, count] of left) {
            if (other === client || count === 0) continue;
            const sign = client < other ? 1 : -1;
            const pair = [client, other].sort().join();
            const gap = (since.get(pair) ?? 0) + sign * costOf(size);
            since.set(pair, gap);
            assert.ok(Math.abs(gap) <= 2 * (bounds.quantum + MAX_COST), `${pair} ${gap}`);
          }
          left.set(client, left.get(client)! - 1);
        }
      }),
    );
  });

  it('serves a client soon beside any number of flooding ones', () => {
    const queue = roomy();
    for (let i = 0; i < 500; i++) {
      for (const client of ['x', 'y']) queue.push(item(client, { deadlineMs: 1 + i }), 0);
    }
    for (let i = 0; i < 100; i++) queue.take();
    queue.push(item('quiet', { deadlineMs: 1e6 }), 0);
    let before = 0;
    while (queue.take()!.client !== 'quiet') before++;
    // each of the two finishes its round: quantum 20 plus one cost of 10
    assert.ok(before <= 2 * 3, `${before} before it`);
  });

  it('serves single requests of many clients by deadline alone', () => {
    const deadlines = fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), {
      minLength: 1,
      maxLength: 50,
      size: 'max',
    });
    fc.assert(
      fc.property(deadlines, (all) => {
        const queue = roomy();
        for (const [i, deadlineMs] of all.entries()) queue.push(item(`client${i}`, { deadlineMs }), 0);
        const order = all.map(() => queue.take()!.deadlineMs);
        assert.deepEqual(
          order,
          [...all].sort((a, b) => a - b),
        );
      }),
    );
  });

  it('remembers what a client that comes back was served in the round', () => {
    const queue = roomy();
    for (let i = 0; i < 10; i++) queue.push(item('steady', { deadlineMs: 900 }), 0);
    const order: string[] = [];
    for (let i = 0; i < 12; i++) {
      // one large request at a time, always more urgent than the others
      queue.push(item('returning', { deadlineMs: 1, size: { tokens: 40, steps: 0, contexts: 1 } }), 0);
      order.push(queue.take()!.client);
    }
    const returning = order.filter((client) => client === 'returning').length;
    assert.ok(returning <= 4, order.join(' '));
  });

  it('is not held up for ever by a stream of new clients', () => {
    const queue = roomy({ maxItems: 20 });
    queue.push(item('old'), 0);
    queue.push(item('old'), 0);
    queue.push(item('old'), 0);
    let taken = 0;
    let served = 0;
    for (; served < 3 && taken < 1000; taken++) {
      queue.push(item(`new${taken}`, { deadlineMs: taken + 1 }), taken);
      if (queue.take()!.client === 'old') served++;
    }
    assert.equal(served, 3);
  });

  it('does not let later deadlines pass an item without one for longer than its patience', () => {
    const queue = roomy();
    queue.push(item('a'), 0);
    let nowMs = 0;
    for (; nowMs < 1000; nowMs += 10) {
      queue.push(item('a', { deadlineMs: nowMs + 15 }), nowMs);
      if (queue.take()!.deadlineMs === Infinity) break;
    }
    assert.ok(nowMs <= bounds.patienceMs, `${nowMs} ms`);
  });
});
