import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { EngineBatch } from '../../../src/engine/engine.js';
import { Fault } from '../../../src/errors.js';
import type { ContextRef, Work, WorkResult } from '../../../src/batching/work.js';
import { isIndivisible, sizeOfWork } from '../../../src/batching/work.js';
import { NO_WORK, addSize, fits } from '../../../src/batching/size.js';
import { actions, bench, inline, work } from './work-builder.js';

const POISON = 13;
const CACHE_BYTES = 300;
const queue = { maxItems: 12, maxBytes: 1200, clientShare: 0.5, quantum: 40, patienceMs: 200 };
const budget = { tokens: 40, steps: 30, contexts: 4 };
const backgroundBudget = { tokens: 15, steps: 10, contexts: 2 };

const submit = fc.record({
  kind: fc.constant('submit' as const),
  client: fc.constantFrom('a', 'b', 'c'),
  delayMs: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(Infinity)),
  background: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  contexts: fc.array(
    fc.record({
      tokens: fc.integer({ min: 1, max: 20 }),
      first: fc.integer({ min: 10, max: 20 }), // 13 is poison
      keepMs: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
      byId: fc.option(fc.nat(), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  candidates: fc.integer({ min: 0, max: 12 }),
});
const step = fc.oneof(
  { weight: 6, arbitrary: submit },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 40 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('cancel' as const),
      pick: fc.nat(),
      supersede: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('speed' as const), ms: fc.integer({ min: 0, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), pick: fc.nat() }) },
);

interface Sent {
  readonly work: Work;
  readonly orderMs: number;
  readonly controller: AbortController;
  /** Batches that had been handed over when it was submitted. */
  readonly after: number;
  /** Batches that had been handed over when it was cancelled. */
  cancelledAfter: number | undefined;
  settlements: number;
  result: WorkResult | undefined;
  fault: Fault | undefined;
}

/** Index of the batch that computes a work; -1 when none does. */
function batchOf(batches: readonly EngineBatch[], { actions: wanted, contexts }: Work): number {
  return batches.findIndex(({ score, encode }) => {
    if (wanted !== undefined) return score.some(({ actions: values }) => values === wanted.values);
    return contexts.some((c) => c.kind === 'inline' && encode.some(({ bytes }) => bytes === c.encode.bytes));
  });
}

it('settles every work exactly once, computes none in vain, and keeps order, budgets, bounds and slots', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60, size: 'max' }),
      fc.constantFrom(1 as const, 2 as const),
      fc.constantFrom('drain', 'die', 'close'),
      async (steps, maxInFlightBatches, end) => {
        const { scheduler, clock, engine, cache, rejects } = bench(
          { queue, budget, backgroundQueue: { ...queue, maxItems: 4 }, backgroundBudget, maxInFlightBatches },
          { poison: POISON },
          CACHE_BYTES,
        );
        const sent: Sent[] = [];
        const ids = new Map<string, number>(); // id to first byte of its context
        const send = (spec: Omit<Work, 'signal' | 'deadlineMs'>, delayMs: number): void => {
          const controller = new AbortController();
          const deadlineMs = clock.nowMs() + delayMs;
          const one: Sent = {
            work: { ...spec, deadlineMs, signal: controller.signal },
            orderMs: Math.min(deadlineMs, delayMs === Infinity ? clock.nowMs() + queue.patienceMs : Infinity),
            controller,
            after: engine.batches.length,
            cancelledAfter: undefined,
            settlements: 0,
            result: undefined,
            fault: undefined,
          };
          sent.push(one);
          scheduler.submit(one.work).then(
            (result) => {
              one.settlements++;
              one.result = result;
              for (const [i, kept] of result.kept.entries()) {
                const context = spec.contexts[i]!;
                if (kept !== undefined && context.kind === 'inline') {
                  ids.set(kept.id, context.encode.bytes[0]!);
                }
              }
            },
            (error: unknown) => {
              one.settlements++;
              assert.ok(error instanceof Fault);
              one.fault = error;
            },
          );
        };
        for (const c of steps) {
          if (c.kind === 'submit') {
            const contexts = c.contexts.map(({ tokens, first, keepMs, byId }): ContextRef => {
              const id = byId === undefined ? undefined : [...ids.keys()][byId % (ids.size + 1)];
              return id === undefined ? inline(tokens, first, keepMs) : { kind: 'kept', id };
            });
            const values = Array.from({ length: c.candidates }, (_, n) => n);
            const { client } = c;
            const priority = c.background ? 'background' : 'normal';
            const spec = { client, priority, contexts } as const;
            send(c.candidates === 0 ? spec : { ...spec, actions: actions(...values) }, c.delayMs);
          } else if (c.kind === 'wait') {
            await clock.advance(c.ms);
          } else if (c.kind === 'cancel') {
            const one = sent[c.pick % Math.max(1, sent.length)];
            if (one === undefined || one.controller.signal.aborted) continue;
            one.cancelledAfter = engine.batches.length;
            one.controller.abort(c.supersede ? new Fault('superseded', 'newer') : undefined);
          } else if (c.kind === 'speed') {
            engine.msPerToken = c.ms;
            engine.msPerStep = c.ms / 2;
          } else {
            const id = [...ids.keys()][c.pick % Math.max(1, ids.size)];
            if (id === undefined) continue;
            try {
              scheduler.drop(id);
            } catch (error) {
              assert.ok(error instanceof Fault && error.kind === 'not_found');
            }
          }
          assert.ok(scheduler.queueDepth <= queue.maxItems + 4);
          assert.ok(scheduler.queueBytes <= 2 * queue.maxBytes);
          assert.ok(scheduler.inFlightBatches <= maxInFlightBatches);
          assert.ok(cache.stats.bytes <= CACHE_BYTES);
        }

        // the end: whatever it is, nothing hangs
        const drain = scheduler.drain().then(() => scheduler.inFlightBatches + scheduler.queueDepth);
        if (end === 'die') engine.die();
        if (end === 'close') scheduler.close();
        send(work(), Infinity);
        await clock.advance(5000);
        assert.equal(await drain, 0, 'drained means that nothing is left');
        assert.equal(sent.at(-1)!.fault?.kind, 'unavailable');
        assert.equal(scheduler.queueDepth, 0);
        assert.equal(scheduler.inFlightBatches, 0);
        assert.equal(clock.pending, 0);
        if (end === 'drain') {
          cache.expire(Infinity);
          const emptied = scheduler.drain(); // one more turn of the loop
          await clock.advance(0);
          await emptied;
          assert.equal(engine.slots.size, 0, 'every slot is released');
          assert.equal(cache.stats.bytes, 0);
        }

        for (const one of sent) {
          assert.equal(one.settlements, 1);
          const at = batchOf(engine.batches, one.work);
          if (one.result !== undefined) {
            const { actions: asked, contexts } = one.work;
            // only a work that names kept contexts and asks for no scores has nothing to compute
            assert.ok(at >= 0 || (asked === undefined && contexts.every((c) => c.kind === 'kept')));
            if (asked === undefined) continue;
            const wanted = contexts.flatMap((context) => {
              const first =
                context.kind === 'inline'
                  ? context.encode.bytes[0]!
                  : ids.get((context as { id: string }).id)!;
              return [...asked.values].map((value) => first + value);
            });
            assert.deepEqual([...one.result.raw!], wanted);
          }
          const kind = one.fault?.kind;
          if (kind === 'deadline' || kind === 'exhausted' || kind === 'not_found' || kind === 'superseded') {
            assert.equal(at, -1, `${kind} work is not computed`);
          }
          if (one.cancelledAfter !== undefined) assert.ok(at < one.cancelledAfter, 'cancelled before it ran');
          if (kind === 'invalid') {
            assert.ok(one.work.contexts.some((c) => c.kind === 'inline' && c.encode.bytes[0] === POISON));
          }
        }
        assert.equal(rejects.length, sent.filter(({ fault }) => fault !== undefined).length);

        const placed = sent.map((one) => ({ ...one, at: batchOf(engine.batches, one.work) }));
        for (const i of engine.batches.keys()) {
          const members = placed.filter(({ at }) => at === i);
          const later = placed.filter(({ at, after }) => at > i && after <= i);
          const size = members.map((one) => sizeOfWork(one.work)).reduce(addSize, NO_WORK);
          if (members.some(({ work: { priority } }) => priority === 'background')) {
            assert.ok(members.every(({ work: { priority } }) => priority === 'background'));
            assert.ok(
              later.every(({ work: { priority }, after }) => priority === 'background' || after === i),
            );
            assert.ok(
              fits(size, backgroundBudget) || (members.length === 1 && isIndivisible(members[0]!.work)),
            );
          } else if (members.length > 1) {
            assert.ok(fits(size, budget));
          }
          for (const member of members) {
            for (const other of later) {
              if (other.work.client !== member.work.client || other.work.priority !== member.work.priority) {
                continue;
              }
              // submitted in the same instant as the batch was handed over: it may have come just after
              if (other.after === i) continue;
              assert.ok(member.orderMs <= other.orderMs, 'earliest deadline first within a client');
            }
          }
        }
      },
    ),
    { numRuns: 600 },
  );
});
