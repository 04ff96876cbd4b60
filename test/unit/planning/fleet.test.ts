/** Machines for a fleet: the least number that holds, the fullest of hashed machines, and what no number of machines can do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../src/errors.js';
import { fullestOf, loadOf, planFleet, type Costs, type Fleet } from '../../../src/planning/fleet.js';
import { seededRandom } from '../../../src/random.js';

const COSTS: Costs = { contextMs: 28, candidateMs: 0.3, requestMs: 0.5, latencyMs: 3 };
const FLEET: Fleet = {
  robots: 1000,
  hz: 5,
  candidates: 16,
  keptShare: 0.8,
  deadlineMs: 100,
  placement: 'even',
  utilisation: 0.7,
  spare: 1,
};

function faultOf(run: () => unknown): Fault {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('one machine less would be too few, and one robot more too many, by property', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.constantFrom(1, 5, 20),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom('even' as const, 'hashed' as const),
      (robots, hz, keptShare, placement) => {
        const fleet = { ...FLEET, robots, hz, keptShare, placement };
        const holds = (load: ReturnType<typeof loadOf>): boolean =>
          load.utilisation <= 0.7 && load.p99Ms <= 100;
        fc.pre(holds(loadOf(COSTS, fleet, fullestOf(robots, robots, placement))));
        const plan = planFleet(COSTS, fleet);
        assert.equal(plan.machines, plan.needed + 1);
        assert.ok(plan.holds && holds(plan.fullest));
        assert.ok(plan.mostRobots >= robots);
        if (plan.needed > 1) {
          const fewer = planFleet(COSTS, { ...fleet, machines: plan.machines - 1 });
          assert.ok(!fewer.holds);
        }
        const more = planFleet(COSTS, { ...fleet, robots: plan.mostRobots + 1, machines: plan.machines });
        assert.ok(!more.holds);
      },
    ),
    { numRuns: 40 },
  );
});

test('busy is what its requests cost, by hand', () => {
  // 10 robots at 5 Hz: 50 a second of 0.5 + 16 * 0.3 = 5.3 ms, and a fifth of them 28 ms more
  const { utilisation, perSecond } = loadOf(COSTS, FLEET, 10);
  assert.equal(perSecond, 50);
  assert.ok(Math.abs(utilisation - (50 * (5.3 + 0.2 * 28)) / 1000) < 1e-12);
});

test('hashed robots: no machine is fuller than the bound says, in 99 of 100 fleets', () => {
  for (const [robots, machines] of [
    [300, 3],
    [1000, 20],
    [2000, 400],
  ] as const) {
    const bound = fullestOf(robots, machines, 'hashed');
    const random = seededRandom(robots, 'hashed');
    let beyond = 0;
    const fleets = 400;
    let atMost = 0;
    for (let fleet = 0; fleet < fleets; fleet++) {
      const count = new Uint32Array(machines);
      for (let robot = 0; robot < robots; robot++) count[random.below(machines)]!++;
      const fullest = Math.max(...count);
      atMost = Math.max(atMost, fullest);
      if (fullest > bound) beyond++;
    }
    assert.ok(beyond <= 0.03 * fleets, `${beyond} of ${fleets} beyond ${bound}`);
    assert.ok(bound <= atMost + 2, `${bound} is far above ${atMost}`);
    assert.ok(bound > robots / machines);
  }
  assert.equal(fullestOf(100, 1, 'hashed'), 100);
  assert.equal(fullestOf(7, 3, 'even'), 3);
});

test('a request that is too slow by itself is refused, with the time that it takes', () => {
  const fault = faultOf(() => planFleet(COSTS, { ...FLEET, deadlineMs: 30 }));
  assert.equal(fault.kind, 'precondition');
  assert.match(fault.message, /take up to \d\d\.\d ms.*at most 30 ms/s);
  const busy = faultOf(() => planFleet(COSTS, { ...FLEET, hz: 100, deadlineMs: 1e6 }));
  assert.match(busy.message, /100 requests a second keep it 109 percent busy/);
});

test('robots of which a machine holds one are not hashed', () => {
  const fleet = { ...FLEET, keptShare: 0, placement: 'hashed' } as const;
  assert.equal(faultOf(() => planFleet(COSTS, fleet)).field, 'placement');
  assert.equal(planFleet(COSTS, { ...fleet, placement: 'even' }).needed, 1000);
});

test('figures that are none are refused by name', () => {
  for (const [costs, fleet, field] of [
    [{ ...COSTS, contextMs: NaN }, FLEET, 'costs.contextMs'],
    [{ ...COSTS, candidateMs: -1 }, FLEET, 'costs.candidateMs'],
    [{ contextMs: 0, candidateMs: 0, requestMs: 0, latencyMs: 3 }, FLEET, 'costs'],
    [COSTS, { ...FLEET, machines: 1, spare: 1 }, 'machines'],
  ] as const) {
    assert.equal(faultOf(() => planFleet(costs, fleet)).field, field);
  }
});
