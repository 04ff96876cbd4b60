/** The demo's task: what it promises to whoever branches it, and that its faults are what they are said to be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunkFor, expertIntent } from '../../../demo/controller.js';
import { D, hiddenStates, randomMap, S } from '../../../demo/hidden-states.js';
import { asSampled, columns, recordMoments, type Recorded } from '../../../demo/moments.js';
import { expertChunk, FAULTS, Policy } from '../../../demo/policy.js';
import { A, execute, GRIPPER, H, reset, step, type Side, type State } from '../../../demo/world.js';
import { parseCard } from '../../../src/model/card-checks.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { seededRandom } from '../../../src/random.js';
import { floats32, toFloat32 } from '../../../src/tensor/tensor.js';
import { CARD } from '../../../demo/train-model.js';

const SCENES = 40;

function play(state: State, choose: (state: State, decision: number) => Float32Array): State {
  let after = state;
  for (let decision = 0; after.outcome === 'running'; decision++)
    after = execute(after, choose(after, decision));
  return after;
}

test('the expert succeeds in every scene, the policy alone in about half of them', () => {
  let successes = 0;
  for (let seed = 0; seed < SCENES; seed++) {
    const random = seededRandom(seed);
    const start = reset(random);
    assert.equal(play(start, (state) => expertChunk(state, random)).outcome, 'success', `scene ${seed}`);
    const policy = new Policy(FAULTS, seed);
    const alone = play(start, (state, decision) => policy.sample(state, decision, 1)[0]!);
    if (alone.outcome === 'success') successes++;
  }
  assert.ok(successes > 0.25 * SCENES && successes < 0.8 * SCENES, `${successes} of ${SCENES}`);
});

test('each way to fail fails: the wall, the post, the other block, letting go too early, the time', () => {
  const random = seededRandom(1);
  const start = reset(random);
  const { scene } = start;
  const walled = (wall: Side | 0): State => ({ ...start, scene: { ...scene, wall } });
  const along = (state: State, side: Side): State =>
    play(state, (now) => chunkFor(now, { ...expertIntent(now), side }, random));
  for (const side of [1, -1] as const) {
    assert.equal(along(walled(0), side).outcome, 'success', 'either way is open');
    assert.equal(along(walled(side), side).outcome, 'failure');
    assert.equal(along(walled(-side as Side), side).outcome, 'success');
  }
  const tooNear = play(start, (now) => chunkFor(now, { ...expertIntent(now), clearance: -0.1 }, random));
  assert.equal(tooNear.outcome, 'failure');
  const other = play(start, (now) => chunkFor(now, { ...expertIntent(now), target: 'other' }, random));
  assert.deepEqual([other.outcome, other.holding], ['failure', 'other']);
  const letGo = new Float32Array(A);
  assert.equal(step({ ...start, holding: 'block', closed: true }, letGo).outcome, 'failure');
  assert.equal(play(start, () => new Float32Array(H * A)).outcome, 'failure');
});

test('a state that is kept is saved: the same chunk and the same random numbers give the same end', () => {
  const policy = new Policy(FAULTS, 3);
  const state = reset(seededRandom(3));
  const before = JSON.stringify(state);
  for (const chunk of policy.sample(state, 0, 8)) {
    const end = policy.branch(state, 0, chunk);
    assert.notEqual(end.outcome, 'running');
    assert.deepEqual(policy.branch(state, 0, chunk), end);
  }
  assert.equal(JSON.stringify(state), before);
});

test('hidden states say where things are, and which block is meant', () => {
  const map = randomMap();
  const state = reset(seededRandom(4));
  const tokens = (of: State): Float32Array => {
    const { hidden, mask } = hiddenStates(of, map, seededRandom(4));
    assert.deepEqual(hidden.shape, [S, D]);
    assert.ok(mask.includes(0) && mask.includes(1) && mask.indexOf(1) === mask.lastIndexOf(0) + 1);
    return toFloat32('hidden', hidden);
  };
  const own = tokens(state);
  assert.deepEqual(tokens(state), own);
  const { scene } = state;
  const changes: State[] = [
    { ...state, scene: { ...scene, block: scene.other, other: scene.block } },
    { ...state, scene: { ...scene, wall: scene.wall === 0 ? 1 : 0 } },
    { ...state, holding: 'block' },
  ];
  for (const changed of changes) {
    const differing = tokens(changed).filter((value, i) => Math.abs(value - own[i]!) > 0.1).length;
    assert.ok(differing > 0);
  }
});

test('rows are calibration data: candidates as executed, costs 0 or 1 of branches, the same for the same seed', async () => {
  const record = (seed: number): Promise<Recorded[]> =>
    recordMoments({
      faults: FAULTS,
      seed,
      candidates: 4,
      propose: asSampled,
      rows: 60,
      helped: 0.4,
      share: 0.5,
    });
  const recorded = await record(5);
  const names = ['hidden', 'pad_mask', 'actions', 'negatives', 'candidates', 'candidate_cost', 'task_id', 'episode_id', 'step']; // prettier-ignore
  const tensors = columns(recorded, names);
  const card = parseCard(JSON.stringify({ ...CARD, name: 'demo' }), 'card');
  const data = await calibrationData([memoryColumns('demo', tensors)], card);
  assert.deepEqual([data.rows, data.steps, data.dims, data.candidates, data.explicit], [60, H, A, 4, 2]);
  for (const [row, { moment, expert }] of recorded.entries()) {
    assert.deepEqual(
      await data.candidateChunks(row),
      Float32Array.from(moment.candidates.flatMap((chunk) => [...chunk])),
      'bfloat16 holds what was simulated',
    );
    assert.deepEqual(await data.actions(row), expert);
    assert.ok((await data.candidateCosts(row)).every((cost) => cost === 0 || cost === 1));
    assert.ok(
      expert.every((value, i) => Math.abs(value) <= 1 && (i % A !== GRIPPER || value === 0 || value === 1)),
    );
  }
  const costs = floats32(tensors.get('candidate_cost')!.bytes);
  assert.ok(costs.includes(0) && costs.includes(1));
  const again = columns(await record(5), names);
  const other = columns(await record(6), names);
  for (const [name, { bytes }] of tensors) assert.deepEqual(again.get(name)!.bytes, bytes, name);
  assert.notDeepEqual(other.get('actions')!.bytes, tensors.get('actions')!.bytes);
});
