import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ContextCache,
  randomContextId,
  type ContextReservation,
  type ContextUse,
} from '../../../src/batching/context-cache.js';
import { Fault } from '../../../src/errors.js';

const MAX_BYTES = 100;
const MAX_LEASE_MS = 50;

function newCache(): ContextCache {
  let ids = 0;
  return new ContextCache({ maxBytes: MAX_BYTES, maxLeaseMs: MAX_LEASE_MS, newId: () => `id${ids++}` });
}

function keep(cache: ContextCache, bytes: number, leaseMs: number, nowMs = 0, owner?: string): string {
  return cache.reserve(bytes, leaseMs, owner).commit(nowMs).id;
}

const kind = (wanted: Fault['kind']) => (error: unknown) => error instanceof Fault && error.kind === wanted;

/** What the cache should hold, found by searching lists. */
interface ModelEntry {
  readonly slot: number;
  readonly bytes: number;
  readonly leaseMs: number;
  id: string | undefined;
  touchedMs: number;
  uses: number;
  dropped: boolean;
}

const command = fc.record({
  kind: fc.constantFrom(
    'reserve',
    'commit',
    'commit',
    'abandon',
    'acquire',
    'acquire',
    'end',
    'drop',
    'wait',
  ),
  pick: fc.nat(),
  bytes: fc.integer({ min: 1, max: 120 }),
  leaseMs: fc.integer({ min: 1, max: 80 }),
  ms: fc.integer({ min: 0, max: 20 }),
});

describe('shares of the context cache', () => {
  it('one owner that keeps without end turns over its own; others within their shares lose nothing', () => {
    const cache = newCache();
    const calm = [keep(cache, 20, 50, 0, 'calm'), keep(cache, 20, 50, 0, 'calm')];
    const greedy = Array.from({ length: 10 }, (_, i) => keep(cache, 20, 50, i, 'greedy'));
    for (const id of calm) cache.acquire(id, 'calm', 10).end(10);
    for (const id of greedy.slice(0, 7)) {
      assert.throws(() => cache.acquire(id, 'greedy', 10), kind('not_found'));
    }
    for (const id of greedy.slice(7)) cache.acquire(id, 'greedy', 10).end(10);
  });

  it('what one owner holds beyond its share goes when another comes, least recently touched first', () => {
    const cache = newCache();
    const first = Array.from({ length: 5 }, (_, i) => keep(cache, 20, 50, i, 'first'));
    const second = [keep(cache, 20, 50, 6, 'second'), keep(cache, 20, 50, 6, 'second')];
    for (const id of first.slice(0, 2)) assert.throws(() => cache.acquire(id, 'first', 7), kind('not_found'));
    for (const id of first.slice(2)) cache.acquire(id, 'first', 7).end(7);
    for (const id of second) cache.acquire(id, 'second', 7).end(7);
    // 60 of 100 are beyond a half: the third of the second evicts one more, the next its own
    keep(cache, 20, 50, 8, 'second');
    const own = keep(cache, 20, 50, 8, 'second');
    assert.equal(
      first.slice(3).every((id) => cache.acquire(id, 'first', 9).end(9) !== undefined),
      true,
    );
    assert.ok(cache.acquire(own, 'second', 9).end(9));
    assert.throws(() => cache.acquire(second[0]!, 'second', 9), kind('not_found'));
  });

  it('nobody loses what is within its share, whoever keeps what', () => {
    const keeps = fc.array(
      fc.record({ owner: fc.constantFrom('a', 'b', 'c'), bytes: fc.integer({ min: 1, max: 60 }) }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(keeps, (steps) => {
        const cache = newCache();
        const held = new Map<string, Map<string, number>>([...'abc'].map((owner) => [owner, new Map()]));
        const bytesOf = (owner: string): number =>
          [...held.get(owner)!.values()].reduce((sum, bytes) => sum + bytes, 0);
        for (const { owner, bytes } of steps) {
          const holders = [...'abc'].filter((each) => each === owner || bytesOf(each) > 0);
          const safe = holders.filter(
            (each) => each !== owner && bytesOf(each) <= MAX_BYTES / holders.length,
          );
          try {
            const { id } = cache.reserve(bytes, 50, owner).commit(0);
            held.get(owner)!.set(id, bytes);
          } catch (error) {
            assert.ok(kind('exhausted')(error) && bytes > MAX_BYTES / holders.length);
          }
          for (const each of 'abc') {
            for (const id of [...held.get(each)!.keys()]) {
              try {
                cache.acquire(id, each, 0).end(0);
              } catch {
                assert.ok(!safe.includes(each), `${each} lost what was within its share`);
                held.get(each)!.delete(id);
              }
            }
          }
        }
      }),
    );
  });
});

describe('context cache', () => {
  it('agrees with a naive model: bytes, ids, least recently touched first out, pins, released slots', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 150, size: 'max' }), (commands) => {
        const cache = newCache();
        let model: ModelEntry[] = []; // least recently touched first
        const reservations: { reservation: ContextReservation; entry: ModelEntry }[] = [];
        const uses: { use: ContextUse; entry: ModelEntry }[] = [];
        const knownIds: string[] = [];
        const released: number[] = [];
        const wantReleased: number[] = [];
        let nowMs = 0;
        const gone = (entry: ModelEntry): void => {
          model = model.filter((other) => other !== entry);
          wantReleased.push(entry.slot);
        };
        const touch = (entry: ModelEntry): void => {
          entry.touchedMs = nowMs;
          model = [...model.filter((other) => other !== entry), entry];
        };
        const idle = (): ModelEntry[] =>
          model.filter((e) => e.id !== undefined && !e.dropped && e.uses === 0);
        const expire = (): void => {
          for (const entry of idle()) if (entry.touchedMs + entry.leaseMs <= nowMs) gone(entry);
        };
        const bytesOf = (entries: ModelEntry[]): number => entries.reduce((sum, e) => sum + e.bytes, 0);
        for (const c of commands) {
          if (c.kind === 'reserve') {
            if (MAX_BYTES - bytesOf(model) + bytesOf(idle()) < c.bytes) {
              assert.throws(() => cache.reserve(c.bytes, c.leaseMs), kind('exhausted'));
              continue;
            }
            while (bytesOf(model) + c.bytes > MAX_BYTES) gone(idle()[0]!);
            const reservation = cache.reserve(c.bytes, c.leaseMs);
            const entry: ModelEntry = {
              slot: reservation.slot,
              bytes: c.bytes,
              leaseMs: Math.min(c.leaseMs, MAX_LEASE_MS),
              id: undefined,
              touchedMs: nowMs,
              uses: 0,
              dropped: false,
            };
            model.push(entry);
            reservations.push({ reservation, entry });
          } else if (c.kind === 'commit' || c.kind === 'abandon') {
            const [picked] = reservations.splice(c.pick % Math.max(1, reservations.length), 1);
            if (picked === undefined) continue;
            const { reservation, entry } = picked;
            if (c.kind === 'abandon') {
              reservation.abandon();
              gone(entry);
            } else {
              const kept = reservation.commit(nowMs);
              assert.equal(kept.expiresAtMs, nowMs + entry.leaseMs);
              entry.id = kept.id;
              knownIds.push(kept.id);
              touch(entry);
            }
          } else if (c.kind === 'acquire' || c.kind === 'drop') {
            const id = knownIds[c.pick % Math.max(1, knownIds.length)] ?? 'never';
            expire();
            const entry = model.find((e) => e.id === id && !e.dropped);
            const act = (): void => {
              if (c.kind === 'drop') cache.drop(id, undefined, nowMs);
              else uses.push({ use: cache.acquire(id, undefined, nowMs), entry: entry! });
            };
            if (entry === undefined) {
              assert.throws(act, kind('not_found'));
              continue;
            }
            act();
            if (c.kind === 'drop') {
              entry.dropped = true;
              if (entry.uses === 0) gone(entry);
            } else {
              assert.equal(uses.at(-1)!.use.slot, entry.slot);
              entry.uses++;
              touch(entry);
            }
          } else if (c.kind === 'end') {
            const [picked] = uses.splice(c.pick % Math.max(1, uses.length), 1);
            if (picked === undefined) continue;
            const { use, entry } = picked;
            entry.uses--;
            const kept = use.end(nowMs);
            if (!entry.dropped) {
              assert.equal(kept!.id, entry.id);
              touch(entry);
            } else {
              assert.equal(kept, undefined);
              if (entry.uses === 0) gone(entry);
            }
          } else {
            nowMs += c.ms;
            cache.expire(nowMs);
            expire();
          }
          released.push(...cache.slots.takeReleased());
          assert.deepEqual(new Set(released), new Set(wantReleased));
          assert.equal(released.length, wantReleased.length);
          assert.equal(cache.stats.bytes, bytesOf(model));
          assert.ok(cache.stats.bytes <= MAX_BYTES);
          assert.equal(cache.stats.entries, model.filter((e) => e.id !== undefined && !e.dropped).length);
          assert.equal(
            cache.nextExpiryMs,
            Math.min(Infinity, ...idle().map(({ touchedMs, leaseMs }) => touchedMs + leaseMs)),
          );
          for (const { entry } of uses) assert.ok(!released.includes(entry.slot), 'a context in use is held');
        }
        // when everything has ended, every slot was released exactly once
        for (const { reservation } of reservations) reservation.abandon();
        for (const { use } of uses) use.end(nowMs);
        cache.expire(Infinity);
        released.push(...cache.slots.takeReleased());
        assert.equal(cache.stats.bytes, 0);
        assert.equal(new Set(released).size, released.length);
        assert.equal(released.length, cache.slots.next());
      }),
      { numRuns: 400 },
    );
  });

  it('evicts the least recently touched, lease or not, and counts why', () => {
    const cache = newCache();
    const [a, b, c] = [keep(cache, 40, 50), keep(cache, 40, 50), keep(cache, 20, 50)];
    cache.acquire(a, undefined, 1).end(1);
    keep(cache, 30, 50, 2);
    assert.throws(() => cache.acquire(b, undefined, 2), kind('not_found'));
    cache.acquire(c, undefined, 2).end(2);
    cache.drop(a, undefined, 2);
    cache.expire(1000);
    const { hits, misses, evictions, entries, bytes } = cache.stats;
    assert.deepEqual({ hits, misses, entries, bytes }, { hits: 2, misses: 1, entries: 0, bytes: 0 });
    assert.deepEqual(evictions, { lru: 1, dropped: 1, expired: 2 });
  });

  it('refuses what is larger than itself, naming both sizes, and evicts nothing for it', () => {
    const cache = newCache();
    keep(cache, 100, 50);
    assert.throws(() => cache.reserve(101, 50), /found 101 bytes; wanted at most 100 bytes/);
    assert.equal(cache.stats.entries, 1);
  });

  it("does not find another owner's context", () => {
    const cache = newCache();
    const id = keep(cache, 10, 50, 0, 'alice');
    for (const other of ['bob', undefined]) {
      assert.throws(() => cache.acquire(id, other, 0), kind('not_found'));
      assert.throws(() => cache.drop(id, other, 0), kind('not_found'));
    }
    assert.throws(() => cache.acquire('id9', 'alice', 0, 'contexts[3].context_id'), {
      field: 'contexts[3].context_id',
      mend: 'Send the context again',
    });
    cache.acquire(id, 'alice', 0).end(0);
  });

  it('makes ids of 128 random bits', () => {
    const ids = new Set(Array.from({ length: 1000 }, randomContextId));
    assert.equal(ids.size, 1000);
    for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  });
});
