/** What order depends on by group of tokens: a model that listens to the prompt alone is recognised. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calibrate } from '../../../src/calibration/calibrate.js';
import { calibrationSchema, type Calibration } from '../../../src/calibration/calibration-schema.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { summaryText } from '../../../src/calibration/report/summary.js';
import { tokenGroupRemark } from '../../../src/calibration/report/tables/chunks.js';
import type { Engine } from '../../../src/engine/engine.js';
import { seededRandom } from '../../../src/random.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import { fakeEngine } from './fake-engine.js';
import { ACTION_DIM, STATE_DIM, STEPS, syntheticCard, syntheticTensors, TOKENS } from './synthetic.js';

const ROWS = 80;
const PROMPT = 7;
const IMAGE = 2;
/** The token that the fake engine looks at is of the prompt. */
const GROUPS = [PROMPT, IMAGE, IMAGE, PROMPT];

function int32(shape: number[], values: readonly number[]): Tensor {
  return { dtype: 'int32', shape, bytes: new Uint8Array(Int32Array.from(values).buffer) };
}

async function calibrated(
  tensors: Map<string, Tensor>,
  engine: Engine = fakeEngine(ACTION_DIM, STATE_DIM),
): Promise<Calibration> {
  const card = syntheticCard();
  const data = await calibrationData([memoryColumns('d', tensors)], card);
  return calibrate({ engine, card, weightsDigest: 'ab'.repeat(32), data });
}

/** Looks at the image too: what it wants is the mean of what the prompt and the first image token say. */
function seeingEngine(): Engine {
  const engine = fakeEngine(ACTION_DIM, STATE_DIM);
  return {
    ...engine,
    run: (batch) =>
      engine.run({
        ...batch,
        encode: batch.encode.map((item) => {
          const values = new Float32Array(item.bytes.slice().buffer);
          for (let d = 0; d < ACTION_DIM; d++) values[d] = (values[d]! + values[STATE_DIM + d]!) / 2;
          return { ...item, bytes: new Uint8Array(values.buffer) };
        }),
      }),
  };
}

/** The first image token says the same as the prompt. */
function withImage(tensors: Map<string, Tensor>): Map<string, Tensor> {
  const hidden = new Float32Array(tensors.get('hidden')!.bytes.slice().buffer);
  for (let row = 0; row < ROWS; row++) {
    const at = row * TOKENS * STATE_DIM;
    hidden.copyWithin(at + STATE_DIM, at, at + ACTION_DIM);
  }
  return tensors.set('hidden', float32Tensor([ROWS, TOKENS, STATE_DIM], hidden));
}

describe('token groups', () => {
  it('a model that listens to the prompt alone is recognised', async () => {
    const calibration = await calibrated(
      syntheticTensors(ROWS, 1).set('token_group', int32([TOKENS], GROUPS)),
    );
    const report = calibration.report.token_groups!;
    assert.deepEqual(
      report.groups.map(({ group, tokens }) => [group, tokens]),
      [
        [IMAGE, 2],
        [PROMPT, 2],
      ],
    );
    const [image, prompt] = report.groups;
    assert.deepEqual([image!.order_changed.value, image!.loss_increase.value], [0, 0]);
    assert.ok(image!.order_changed.high! > 0, 'an interval even where nothing changed');
    assert.ok(prompt!.order_changed.low! > 0.3 && prompt!.loss_increase.low! > 1);
    assert.match(tokenGroupRemark(report), /^Only group 7 is shown to matter: with the tokens of 2 /);
    assert.match(
      summaryText(calibration),
      /What the order depends on.*\n.*\n +2 +2\.0 +0\.000 .*\n +7 +2\.0 +0\./,
    );
    assert.deepEqual(calibrationSchema.parse(JSON.parse(JSON.stringify(calibration))), calibration);
  });

  it('a model that sees both is not, and masked tokens and uneven rows are taken as they are', async () => {
    const both = withImage(syntheticTensors(ROWS, 1)).set(
      'token_group',
      int32([ROWS, TOKENS], Array.from({ length: ROWS }, () => GROUPS).flat()),
    );
    const mask = Uint8Array.from({ length: ROWS * TOKENS }, (_, i) => (i % TOKENS === 3 ? 1 : 0));
    both.set('pad_mask', { dtype: 'bool', shape: [ROWS, TOKENS], bytes: mask });
    const { report } = await calibrated(both, seeingEngine());
    assert.deepEqual(
      report.token_groups!.groups.map(({ tokens }) => tokens),
      [2, 1],
    );
    assert.match(tokenGroupRemark(report.token_groups!), /^Groups 2, 7 matter/);
  });

  it('with candidates it is their order, and ragged contexts name each token', async () => {
    const random = seededRandom(4);
    const tensors = syntheticTensors(ROWS, 1);
    const { bytes } = tensors.get('hidden')!;
    tensors.set('hidden', { dtype: 'float32', shape: [ROWS * TOKENS, STATE_DIM], bytes });
    const offsets = BigInt64Array.from({ length: ROWS + 1 }, (_, row) => BigInt(row * TOKENS));
    tensors.set('offsets', { dtype: 'int64', shape: [ROWS + 1], bytes: new Uint8Array(offsets.buffer) });
    tensors.set('token_group', int32([ROWS * TOKENS], Array.from({ length: ROWS }, () => GROUPS).flat()));
    const chunks = Float32Array.from({ length: ROWS * 4 * STEPS * ACTION_DIM }, () => 0.5 * random.normal());
    tensors.set('candidates', float32Tensor([ROWS, 4, STEPS, ACTION_DIM], chunks));
    const { report } = await calibrated(tensors);
    assert.equal(report.token_groups!.order_of, 'candidates');
    const [image, prompt] = report.token_groups!.groups;
    assert.equal(image!.order_changed.value, 0);
    assert.ok(prompt!.order_changed.low! > 0.1);
  });

  it('one group tells nothing, and what is no group is refused by its place', async () => {
    const one = await calibrated(syntheticTensors(ROWS, 1).set('token_group', int32([TOKENS], [1, 1, 1, 1])));
    assert.equal(one.report.token_groups, null);
    const negative = syntheticTensors(ROWS, 1).set('token_group', int32([TOKENS], [1, -1, 1, 1]));
    await assert.rejects(calibrated(negative), /token_group\[1\] of row \d+: not a group.*-1/);
  });
});
