/** The doctor with data: untrained models fail, planted good ones do not, and what a readout loses is counted, not its flatness. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { actionVariants } from '../../../src/calibration/doctor/action-probes.js';
import { examine } from '../../../src/calibration/doctor/examine.js';
import { type Finding, dataInputs } from '../../../src/calibration/doctor/probe.js';
import { planNegatives } from '../../../src/calibration/data/negatives.js';
import { actionSpread, freeDims } from '../../../src/calibration/data/action-scale.js';
import type { Engine } from '../../../src/engine/engine.js';
import { startEngine } from '../../../src/engine/start.js';
import type { ModelCard } from '../../../src/model/card.js';
import { seededRandom } from '../../../src/random.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import { randomWeights } from '../../support/bundles.js';
import { fakeEngine } from './fake-engine.js';
import { ACTION_DIM, STATE_DIM, STEPS, syntheticCard, syntheticTensors, TOKENS } from './synthetic.js';

const ROWS = 160;
const CANDIDATES = 6;

/** A fake engine that looks at more than the first token, with `readOut` done to its raw values. */
function plantedEngine(readOut: (raw: number) => number = (raw) => raw): Engine {
  const engine = fakeEngine(ACTION_DIM, STATE_DIM);
  return {
    ...engine,
    run: async (batch) => {
      const encode = batch.encode.map((item) => {
        const values = new Float32Array(item.bytes.slice().buffer);
        const visible = item.visible.flatMap(([start, end]) =>
          Array.from({ length: end - start }, (_, i) => start + i),
        );
        for (let d = 0; d < ACTION_DIM; d++) {
          values[visible[0]! * STATE_DIM + d]! += 0.05 * values[visible.at(-1)! * STATE_DIM + d]!;
        }
        return { ...item, bytes: new Uint8Array(values.buffer) };
      });
      const result = await engine.run({ ...batch, encode });
      const scored = result.scored.map((outcome) =>
        outcome.ok ? { ok: true as const, value: outcome.value.map(readOut) } : outcome,
      );
      return { ...result, scored };
    },
  };
}

/** Candidates around the expert's chunk, the farther the worse. */
function withCandidates(
  tensors: Map<string, Tensor>,
  cost?: (distance: number) => number,
): Map<string, Tensor> {
  const random = seededRandom(5);
  const actions = new Float32Array(tensors.get('actions')!.bytes.slice().buffer);
  const size = STEPS * ACTION_DIM;
  const chunks = new Float32Array(ROWS * CANDIDATES * size);
  const costs = new Float32Array(ROWS * CANDIDATES);
  for (let at = 0; at < ROWS * CANDIDATES; at++) {
    const row = Math.floor(at / CANDIDATES);
    const away = 0.1 + 0.6 * random.uniform();
    for (let i = 0; i < size; i++) {
      chunks[at * size + i] = actions[row * size + i]! + (i % ACTION_DIM === 6 ? 0 : away * random.normal());
    }
    costs[at] = cost?.(away) ?? 0;
  }
  tensors.set('candidates', float32Tensor([ROWS, CANDIDATES, STEPS, ACTION_DIM], chunks));
  return cost ? tensors.set('candidate_cost', float32Tensor([ROWS, CANDIDATES], costs)) : tensors;
}

/** Findings of a planted engine, those about the weights left out. */
async function planted(
  tensors: Map<string, Tensor>,
  engine: Engine,
  card: ModelCard = syntheticCard({ pool: { kind: 'weighted' } }),
): Promise<Map<string, Finding>> {
  const data = await calibrationData([memoryColumns('planted', tensors)], card);
  const found = await examine({ engine, card, weights: randomWeights(card), data });
  return new Map(found.map((finding) => [finding.probe, finding]));
}

function levelOf(found: Map<string, Finding>, probe: string): string {
  const finding = found.get(probe);
  assert.ok(finding, `no finding of ${probe}`);
  return finding.level;
}

function loud(found: Map<string, Finding>): Finding[] {
  return [...found.values()].filter(({ level }) => level === 'warning' || level === 'failure');
}

describe('the doctor with data', () => {
  it('passes a planted good model, with and without costs', async () => {
    for (const cost of [undefined, (distance: number): number => distance]) {
      const found = await planted(withCandidates(syntheticTensors(ROWS, 1), cost), plantedEngine());
      assert.deepEqual(loud(found), []);
      assert.equal(levelOf(found, 'experts against swaps'), 'ok');
      assert.equal(levelOf(found, 'experts against candidates'), 'ok');
    }
  });

  it('does not pass an untrained model on random data', async () => {
    const card = syntheticCard();
    const weights = randomWeights(card);
    const random = seededRandom(3);
    const tensors = withCandidates(syntheticTensors(ROWS, 1), () => random.uniform());
    const hidden = Float32Array.from({ length: ROWS * TOKENS * STATE_DIM }, () => random.normal());
    tensors.set('hidden', float32Tensor([ROWS, TOKENS, STATE_DIM], hidden));
    const engine = await startEngine({ card, weights }, { provider: 'cpu', threads: 1 });
    try {
      const found = await planted(tensors, engine, card);
      assert.equal(levelOf(found, 'experts against swaps'), 'failure');
      assert.equal(levelOf(found, 'experts against candidates'), 'warning');
    } finally {
      await engine.close();
    }
  });

  it('says that a few rows show nothing', async () => {
    const tensors = syntheticTensors(8, 1, 2);
    const shuffled = new Float32Array(tensors.get('hidden')!.bytes.slice().buffer).reverse();
    tensors.set('hidden', float32Tensor([8, TOKENS, STATE_DIM], shuffled));
    assert.equal(levelOf(await planted(tensors, plantedEngine()), 'experts against swaps'), 'warning');
  });

  it('fails a model that prefers wrong chunks', async () => {
    const costly = withCandidates(syntheticTensors(ROWS, 1), (distance) => -distance);
    assert.equal(levelOf(await planted(costly, plantedEngine()), 'experts against candidates'), 'failure');
    const reversed = await planted(
      syntheticTensors(ROWS, 1),
      plantedEngine((raw) => -raw),
    );
    assert.equal(levelOf(reversed, 'experts against swaps'), 'failure');
    // a distance is no cost: it does not fail a model by itself
    const far = await planted(
      withCandidates(syntheticTensors(ROWS, 1)),
      plantedEngine((raw) => -raw),
    );
    assert.equal(levelOf(far, 'experts against candidates'), 'warning');
  });

  it('counts the order that a flat readout loses, not where it is flat', async () => {
    const flat = await planted(
      withCandidates(syntheticTensors(ROWS, 1)),
      plantedEngine((raw) => raw - 30),
    );
    assert.match(flat.get('saturation')!.measured, /^100 percent/);
    assert.equal(levelOf(flat, 'saturation'), 'ok');
    assert.deepEqual(
      loud(flat).map(({ probe }) => probe),
      ['spread'],
    );
    const tied = await planted(
      syntheticTensors(ROWS, 1),
      plantedEngine((raw) => raw + 200),
    );
    assert.equal(levelOf(tied, 'saturation'), 'failure');
    assert.equal(levelOf(tied, 'experts against swaps'), 'ok', 'by the logit');
  });

  it('judges the spread by the temperature in force', async () => {
    const card = syntheticCard({ tau: 50 });
    const data = await calibrationData([memoryColumns('d', syntheticTensors(ROWS, 1))], card);
    const spread = async (tau?: number): Promise<string> => {
      const options = { engine: plantedEngine(), card, weights: randomWeights(card), data };
      const found = await examine({ ...options, ...(tau !== undefined && { tau }) });
      return found.find(({ probe }) => probe === 'spread')!.level;
    };
    assert.deepEqual([await spread(), await spread(0.1)], ['warning', 'ok']);
  });

  it('names what no server would score', async () => {
    const tensors = syntheticTensors(ROWS, 1);
    const actions = new Float32Array(tensors.get('actions')!.bytes.slice().buffer);
    actions[0] = 400;
    tensors.set('actions', float32Tensor([ROWS, STEPS, ACTION_DIM], actions));
    const finding = (await planted(tensors, plantedEngine())).get('experts against swaps')!;
    assert.equal(finding.level, 'failure');
    assert.match(finding.measured, /actions of row 0\[0, 0, 0\].*not look normalised/);
  });
});

describe('dims that say nothing', () => {
  const DERIVED = 4;
  const STILL = 5;

  it('are changed neither by probes nor in made negatives', async () => {
    const { actions, ...rest } = syntheticCard();
    const card = { ...rest, actions: { ...actions, derived: [DERIVED] } } as ModelCard;
    const tensors = syntheticTensors(40, 1);
    const values = new Float32Array(tensors.get('actions')!.bytes.slice().buffer).map((value, i) =>
      i % ACTION_DIM === STILL ? 0.3 : value,
    );
    tensors.set('actions', float32Tensor([40, STEPS, ACTION_DIM], values));
    const data = await calibrationData([memoryColumns('d', tensors)], card);
    const free = freeDims(card, await actionSpread(data));
    assert.deepEqual(free, [0, 1, 2, 3, 6]);

    const moved = (changed: Float32Array, from: Float32Array): number[] => {
      const dims = new Set<number>();
      changed.forEach((value, i) => value !== from[i % from.length] && dims.add(i % ACTION_DIM));
      return [...dims].sort((a, b) => a - b);
    };
    const expert = values.subarray(0, STEPS * ACTION_DIM);
    const units = new Float64Array(ACTION_DIM).fill(1);
    for (const kind of planNegatives(data, card, units, 0, free).kinds) {
      if (kind.name.startsWith('time_shift')) continue; // the whole chunk moves on
      for (let row = 0; row < 20; row++) {
        const dims = moved(Float32Array.from(await kind.make(expert, row)), expert);
        assert.ok(!dims.includes(DERIVED) && !dims.includes(STILL), `${kind.name} moves ${dims.join(' ')}`);
      }
    }
    const inputs = await dataInputs(data, card, 0);
    const { length } = inputs.chunks;
    const [, scaled, shifted] = Array.from({ length: 5 }, (_, i) =>
      actionVariants(inputs, card).subarray(i * length, (i + 1) * length),
    );
    assert.deepEqual(moved(shifted!, inputs.chunks), free);
    assert.ok(!moved(scaled!, inputs.chunks).some((dim) => !free.includes(dim)));
  });
});
