import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { EngineBatch } from '../../../src/engine/engine.js';
import { Fault } from '../../../src/errors.js';
import type { ContextRef, Work, WorkResult } from '../../../src/batching/work.js';
import { fits, type WorkSize } from '../../../src/batching/size.js';
import { visibleTokens } from '../../../src/batching/work.js';
import { bench, inline, work } from './work-builder.js';

const POISON = 13;
const CACHE_BYTES = 300;
const queue = { maxItems: 12, maxBytes: 1200, clientShare: 0.5, quantum: 40, patienceMs: 200 };
/** H: so long that a row is cut at every second candidate. */
const H = 64;
const BLOCK = 2 * H;
const bounds = { tokens: 40, steps: 30 * H, contexts: 4, ms: 60 };
const backgroundBounds = { tokens: 15, steps: 10 * H, contexts: 2, ms: 40 };

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
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const) }) },
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

/** Chunks that tell whose they are: value n + id/1024 for candidate n, all steps alike. */
function chunks(id: number, candidates: number): Work['task'] {
  const values = Float32Array.from({ length: candidates * H }, (_, i) => Math.floor(i / H) + id / 1024);
  return { kind: 'score', actions: { values, candidates, steps: H } };
}

/** Indices of the batches that compute something of a work. */
function batchesOf(batches: readonly EngineBatch[], id: number, { contexts }: Work): number[] {
  return [...batches.keys()].filter((i) => {
    const { score, encode } = batches[i]!;
    return (
      score.some(({ actions }) => Math.round((actions[0]! % 1) * 1024) === id) ||
      contexts.some((c) => c.kind === 'inline' && encode.some(({ bytes }) => bytes === c.encode.bytes))
    );
  });
}

function sizeOf({ encode, score }: EngineBatch): WorkSize {
  return {
    tokens: encode.reduce((sum, item) => sum + visibleTokens(item), 0),
    steps: score.reduce((sum, { slots, candidates }) => sum + slots.length * candidates * H, 0),
    contexts: encode.length,
  };
}

it('settles every work exactly once, computes none in vain, and keeps order, budgets, bounds and slots', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60, size: 'max' }),
      fc.constantFrom('drain', 'die', 'close'),
      async (steps, end) => {
        const { scheduler, clock, engine, cache, rejects } = bench(
          { queue, bounds, backgroundQueue: { ...queue, maxItems: 4 }, backgroundBounds },
          { poison: POISON, msPerStep: 1 / H },
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
            const { client } = c;
            const priority = c.background ? 'background' : 'normal';
            const task =
              c.candidates === 0 ? ({ kind: 'encode' } as const) : chunks(sent.length, c.candidates);
            send({ client, priority, contexts, task }, c.delayMs);
          } else if (c.kind === 'wait') {
            await clock.advance(c.ms);
          } else if (c.kind === 'cancel') {
            const one = sent[c.pick % Math.max(1, sent.length)];
            if (one === undefined || one.controller.signal.aborted) continue;
            one.cancelledAfter = engine.batches.length;
            one.controller.abort(c.supersede ? new Fault('superseded', 'newer') : undefined);
          } else if (c.kind === 'speed') {
            engine.msPerToken = c.ms;
            engine.msPerStep = c.ms / 2 / H;
          } else if (c.kind === 'lose') {
            engine.loseNext = true;
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
          assert.ok(cache.stats.bytes <= CACHE_BYTES);
        }

        // the end: whatever it is, nothing hangs
        const drain = scheduler.drain().then(() => scheduler.queueDepth);
        if (end === 'die') engine.die();
        if (end === 'close') scheduler.close();
        send(work({ task: chunks(sent.length, 1) }), Infinity);
        await clock.advance(5000);
        assert.equal(await drain, 0, 'drained means that nothing is left');
        assert.equal(sent.at(-1)!.fault?.kind, 'unavailable');
        assert.equal(scheduler.queueDepth, 0);
        assert.equal(clock.pending, 0);
        if (end === 'drain') {
          cache.expire(Infinity);
          const emptied = scheduler.drain(); // one more turn of the loop
          await clock.advance(0);
          await emptied;
          assert.equal(engine.slots.size, 0, 'every slot is released');
          assert.equal(cache.stats.bytes, 0);
        }

        for (const [id, one] of sent.entries()) {
          assert.equal(one.settlements, 1);
          const { contexts, task } = one.work;
          const computed = batchesOf(engine.batches, id, one.work);
          if (one.result !== undefined) {
            // only a work that names kept contexts and asks for no scores has nothing to compute
            const nothing = task.kind === 'encode' && contexts.every((c) => c.kind === 'kept');
            assert.ok(computed.length > 0 || nothing);
            if (task.kind === 'encode') continue;
            const wanted = contexts.flatMap((context) => {
              const first =
                context.kind === 'inline'
                  ? context.encode.bytes[0]!
                  : ids.get((context as { id: string }).id)!;
              return [...task.actions.values].map((value) => first + value);
            });
            assert.deepEqual([...one.result.raw!], wanted);
          }
          const kind = one.fault?.kind;
          // of contexts that are only to be kept, those before the one that finds no room are encoded
          const refused = kind === 'exhausted' && (task.kind === 'score' || contexts.length === 1);
          if (refused || kind === 'not_found' || kind === 'superseded') {
            assert.deepEqual(computed, [], `${kind} work is not computed`);
          }
          if (kind === 'deadline') {
            const cells = computed.flatMap((i) => engine.batches[i]!.score).length;
            assert.ok(cells === 0 || computed.length < contexts.length * 7, 'never to its end');
          }
          if (one.cancelledAfter !== undefined && (kind === 'cancelled' || kind === 'superseded')) {
            assert.ok(computed.every((i) => i < one.cancelledAfter!), 'cancelled before it ran'); // prettier-ignore
          }
          if (kind === 'invalid') {
            assert.ok(contexts.some((c) => c.kind === 'inline' && c.encode.bytes[0] === POISON));
          }
        }
        assert.equal(rejects.length, sent.filter(({ fault }) => fault !== undefined).length);

        const placed = sent.map((one, id) => {
          const computed = batchesOf(engine.batches, id, one.work);
          return { ...one, computed, first: computed[0] ?? -1 };
        });
        for (const [i, batch] of engine.batches.entries()) {
          const members = placed.filter(({ computed }) => computed.includes(i));
          const size = sizeOf(batch);
          const background = members.some(({ work: { priority } }) => priority === 'background');
          if (!fits(size, background ? backgroundBounds : bounds)) {
            assert.equal(members.length, 1);
            const smallest = size.contexts > 0 ? size.steps === 0 : size.steps < 2 * BLOCK;
            assert.ok(smallest && size.contexts <= 1, 'one context or one block');
          }
          // not begun when this batch was handed over
          const later = placed.filter(({ first, after }) => first > i && after <= i);
          if (background) {
            assert.ok(members.every(({ work: { priority } }) => priority === 'background'));
            assert.ok(
              later.every(({ work: { priority }, after }) => priority === 'background' || after === i),
            );
          }
          for (const member of members) {
            if (member.first !== i) continue; // between its pieces it may have stood back
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
    { numRuns: 400 },
  );
});
