/**
 * What a plan says of a machine against the real scheduler on an engine that takes exactly what the costs say. Time is turned by the
 * test, so that the machine it runs on does not matter.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_BOUNDS } from '../../../src/batching/defaults.js';
import { summarize, type LatencySummary } from '../../../src/client/load-loops.js';
import { loadOf, type Costs } from '../../../src/planning/fleet.js';
import { seededRandom, type Random } from '../../../src/random.js';
import { bench, encodeOnly, inline, scoring, work } from '../batching/work-builder.js';

const TOKENS = 28;
const CANDIDATES = 16;
const COSTS: Costs = { contextMs: TOKENS, candidateMs: 0.3, requestMs: 0, latencyMs: 0 };
const HZ = 5;
const SECONDS = 80;

/** Robots of the machine's own: each asks once a period, with a phase and a clock of its own. */
function ownRobots(robots: number, random: Random): number[] {
  const due: number[] = [];
  for (let robot = 0; robot < robots; robot++) {
    const periodMs = (1000 / HZ) * (1 + 0.02 * (random.uniform() - 0.5));
    for (let at = random.uniform() * periodMs; at < 1000 * SECONDS; at += periodMs) due.push(at);
  }
  return due.sort((a, b) => a - b);
}

/** Robots of a fleet, whose contexts go to whichever machine: as many requests, and no order in them. */
function ofFleet(robots: number, random: Random): number[] {
  const due: number[] = [];
  for (let at = 0; at < 1000 * SECONDS;) {
    at -= (1000 / (robots * HZ)) * Math.log(1 - random.uniform());
    due.push(at);
  }
  return due;
}

async function run(
  dueMs: readonly number[],
  keptShare: number,
  random: Random,
): Promise<LatencySummary & { busy: number }> {
  const { clock, engine, scheduler } = bench(
    { bounds: DEFAULT_BOUNDS, backgroundBounds: DEFAULT_BOUNDS },
    { msPerToken: 1, msPerStep: COSTS.candidateMs },
    1e6,
  );
  const encoded = scheduler.submit(encodeOnly([inline(1, 1, 1e9)]));
  await clock.advance(10);
  const { id } = (await encoded).kept[0]!;
  const task = scoring(...new Array<number>(CANDIDATES).fill(1));
  const startMs = clock.nowMs();
  const answers: Promise<number>[] = [];
  for (const [index, due] of dueMs.entries()) {
    await clock.advance(startMs + due - clock.nowMs());
    const atMs = clock.nowMs();
    const context = random.uniform() < keptShare ? ({ kind: 'kept', id } as const) : inline(TOKENS);
    const answer = scheduler.submit(work({ client: String(index), contexts: [context], task }));
    answers.push(answer.then(() => clock.nowMs() - atMs));
  }
  await clock.advance(10_000);
  const latenciesMs = await Promise.all(answers);
  scheduler.close();
  const busyMs = engine.batches.reduce(
    (sum, { encode, score }) => sum + encode.length * TOKENS + score.length * CANDIDATES * COSTS.candidateMs,
    0,
  );
  return { ...summarize(latenciesMs), busy: busyMs / (1000 * SECONDS) };
}

for (const keptShare of [0.8, 0]) {
  for (const utilisation of [0.4, 0.65]) {
    const how = { hz: HZ, candidates: CANDIDATES, keptShare };
    const robots = Math.round(utilisation / loadOf(COSTS, how, 1).utilisation);
    const predicted = loadOf(COSTS, how, robots);
    const name = `${keptShare} kept, ${utilisation} busy`;

    test(`${name}: requests of a fleet take what the plan says`, async () => {
      const random = seededRandom(1, name);
      const found = await run(ofFleet(robots, random), keptShare, random);
      assert.ok(Math.abs(found.busy / predicted.utilisation - 1) < 0.1, `busy ${found.busy}`);
      const ratio = predicted.p99Ms / found.p99Ms;
      // the plan's bound for batches, and the noise of the last hundredth of some thousand requests
      assert.ok(ratio > 0.85 && ratio < 1.5, `p99 ${predicted.p99Ms} for ${found.p99Ms}`);
    });

    test(`${name}: robots of the machine's own take less`, async () => {
      const random = seededRandom(2, name);
      const found = await run(ownRobots(robots, random), keptShare, random);
      assert.ok(Math.abs(found.busy / predicted.utilisation - 1) < 0.1, `busy ${found.busy}`);
      assert.ok(found.p99Ms <= predicted.p99Ms, `p99 ${predicted.p99Ms} for ${found.p99Ms}`);
    });
  }
}
