import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planNegatives, PUSH } from '../../../src/calibration/data/negatives.js';
import type { ModelCard } from '../../../src/model/card.js';
import { ACTION_DIM, STEPS, syntheticCard, syntheticData } from './synthetic.js';

async function chunksOf(
  card: ModelCard,
  seed = 1,
): Promise<{ expert: Float32Array; made: Map<string, Float32Array> }> {
  const data = await syntheticData(20);
  const units = new Float64Array(ACTION_DIM).fill(1);
  const expert = await data.actions(3);
  const made = new Map<string, Float32Array>();
  for (const kind of planNegatives(data, card, units, seed).kinds)
    made.set(kind.name, await kind.make(expert, 3));
  return { expert, made };
}

/** Value of a step and dim. */
function at(chunk: Float32Array, step: number, dim: number): number {
  return chunk[step * ACTION_DIM + dim]!;
}

describe('negatives', () => {
  it('are what their names say', async () => {
    const { expert, made } = await chunksOf(syntheticCard());
    const shifted = made.get('time_shift_2')!;
    assert.equal(at(shifted, 0, 1), at(expert, 2, 1));
    assert.equal(at(shifted, STEPS - 1, 1), at(expert, STEPS - 1, 1));
    const doubled = made.get('amplitude_2')!;
    assert.equal(at(doubled, 4, 0), 2 * at(expert, 4, 0));
    assert.equal(at(doubled, 4, 6), at(expert, 4, 6), 'the gripper is kept');
    assert.equal(at(made.get('gripper_flip')!, 4, 6), 1 - at(expert, 4, 6));
    const pushed = made.get('direction')!.map((value, i) => value - expert[i]!);
    const moved = [...Array(ACTION_DIM).keys()].filter((dim) => Math.abs(at(pushed, 0, dim)) > 1e-6);
    assert.equal(moved.length, 1);
    assert.ok(Math.abs(Math.abs(at(pushed, 5, moved[0]!)) - PUSH) < 1e-6);
    assert.notEqual(moved[0], 6);
  });

  it('scale one draw of noise', async () => {
    const { expert, made } = await chunksOf(syntheticCard());
    const small = made.get('noise_0.15')!.map((value, i) => value - expert[i]!);
    const large = made.get('noise_0.3')!.map((value, i) => value - expert[i]!);
    large.forEach((value, i) => assert.ok(Math.abs(value - 2 * small[i]!) < 1e-5));
    const spread = Math.sqrt(large.reduce((sum, value) => sum + value * value, 0) / large.length);
    assert.ok(spread > 0.2 && spread < 0.4);
  });

  it('are seeded', async () => {
    const card = syntheticCard();
    assert.deepEqual((await chunksOf(card)).made, (await chunksOf(card)).made);
    assert.notDeepEqual(
      (await chunksOf(card, 2)).made.get('noise_1'),
      (await chunksOf(card)).made.get('noise_1'),
    );
  });

  it('say what they leave out, and why', async () => {
    const data = await syntheticData(20);
    const plan = (actions: object): Map<string, string> => {
      const card = syntheticCard({ actions: { units: 'normalized_q99', ...actions } });
      const { omitted } = planNegatives(data, card, new Float64Array(ACTION_DIM).fill(1), 1);
      return new Map(omitted.map(({ name, reason }) => [name, reason]));
    };
    assert.match(plan({}).get('gripper_flip')!, /declares no gripper/);
    assert.match(plan({ gripper: { index: 6, coding: 'continuous' } }).get('gripper_flip')!, /no bounds/);
    assert.equal(plan({ gripper: { index: 6, coding: 'minus_one_one' } }).has('gripper_flip'), false);
    assert.match(plan({}).get('layer')!, /no `layer_actions`/);
  });
});
