/** Columns of choosing that lie: refused by their place before anything is fitted, or harmless. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calibrate } from '../../../src/calibration/calibrate.js';
import { calibrationSchema, type Calibration } from '../../../src/calibration/calibration-schema.js';
import { memoryColumns } from '../../../src/calibration/data/columns.js';
import { calibrationData } from '../../../src/calibration/data/calibration-data.js';
import { seededRandom } from '../../../src/random.js';
import { float32Tensor, type Tensor } from '../../../src/tensor/tensor.js';
import { fakeEngine } from './fake-engine.js';
import { ACTION_DIM, STATE_DIM, STEPS, syntheticCard, syntheticTensors, TOKENS } from './synthetic.js';

const ROWS = 40;
const N = 3;

function numbers(shape: number[], values: (at: number) => number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return float32Tensor(
    shape,
    Float32Array.from({ length: count }, (_, at) => values(at)),
  );
}

function int8(shape: number[], values: readonly number[]): Tensor {
  return { dtype: 'int8', shape, bytes: new Uint8Array(Int8Array.from(values).buffer) };
}

function float64(shape: number[], values: readonly number[]): Tensor {
  return { dtype: 'float64', shape, bytes: new Uint8Array(Float64Array.from(values).buffer) };
}

const CHUNKS = [ROWS, N, STEPS, ACTION_DIM];
const random = seededRandom(1);
const sound = (): Map<string, Tensor> =>
  syntheticTensors(ROWS, 1)
    .set(
      'candidates',
      numbers(CHUNKS, () => 0.4 * random.normal()),
    )
    .set(
      'candidate_cost',
      numbers([ROWS, N], () => random.uniform()),
    );

async function calibrated(tensors: Map<string, Tensor>): Promise<Calibration> {
  const card = syntheticCard();
  const data = await calibrationData([memoryColumns('file', tensors)], card);
  const engine = fakeEngine(ACTION_DIM, STATE_DIM);
  try {
    return await calibrate({ engine, card, weightsDigest: 'ab'.repeat(32), data });
  } finally {
    assert.equal(engine.held.size, 0, 'every slot is given back');
  }
}

const REFUSED: readonly (readonly [string, string, Tensor, RegExp])[] = [
  [
    'candidates of another dtype',
    'candidates',
    int8(CHUNKS, new Array<number>(ROWS * N * STEPS * ACTION_DIM).fill(0)),
    /candidates: dtype/,
  ],
  [
    'candidates of other steps',
    'candidates',
    numbers([ROWS, N, STEPS + 1, ACTION_DIM], () => 0),
    /candidates: shape/,
  ],
  [
    'candidates of fewer rows',
    'candidates',
    numbers([ROWS - 1, N, STEPS, ACTION_DIM], () => 0),
    /candidates: shape/,
  ],
  ['no candidates a row', 'candidates', numbers([ROWS, 0, STEPS, ACTION_DIM], () => 0), /candidates: none/],
  [
    'a NaN among candidates',
    'candidates',
    numbers(CHUNKS, (at) => (at === 5000 ? NaN : 0)),
    /candidates of row 29\[2, 2, 2\] .*: non-finite action/,
  ],
  [
    'candidates in other units',
    'candidates',
    numbers(CHUNKS, () => 90),
    /candidates of row \d+.*does not look normalised/,
  ],
  ['costs of more candidates', 'candidate_cost', numbers([ROWS, N + 1], () => 0), /candidate_cost: shape/],
  [
    'costs as integers',
    'candidate_cost',
    int8([ROWS, N], new Array<number>(ROWS * N).fill(1)),
    /candidate_cost: dtype/,
  ],
  [
    'a NaN among costs',
    'candidate_cost',
    numbers([ROWS, N], (at) => (at === 31 ? NaN : 0)),
    /candidate_cost\[10\]\[1\]: not a cost.*NaN/,
  ],
  [
    'an infinite cost',
    'candidate_cost',
    numbers([ROWS, N], (at) => (at === 2 ? Infinity : 0)),
    /candidate_cost\[0\]\[2\]: not a cost/,
  ],
  ['outcomes of fewer rows', 'outcome', numbers([ROWS - 1], () => 1), /outcome: shape/],
  [
    'a NaN among outcomes',
    'outcome',
    numbers([ROWS], (at) => (at === 7 ? NaN : 1)),
    /outcome\[7\]: not a number.*NaN/,
  ],
  [
    'outcomes as truth values',
    'outcome',
    { dtype: 'bool', shape: [ROWS], bytes: new Uint8Array(ROWS) },
    /outcome: dtype/,
  ],
  ['groups as floats', 'token_group', numbers([TOKENS], () => 1), /token_group: dtype/],
  [
    'groups of fewer tokens',
    'token_group',
    int8([TOKENS - 1], [0, 1, 1]),
    /token_group: one entry a context token/,
  ],
  [
    'groups of fewer rows',
    'token_group',
    int8([ROWS - 1, TOKENS], new Array<number>((ROWS - 1) * TOKENS).fill(0)),
    /token_group: shape/,
  ],
  [
    'a negative group',
    'token_group',
    int8([TOKENS], [0, 1, -3, 1]),
    /token_group\[2\] of row \d+: not a group.*-3/,
  ],
];

describe('columns that lie are refused', () => {
  for (const [name, column, tensor, expected] of REFUSED) {
    it(name, () => assert.rejects(calibrated(sound().set(column, tensor)), expected));
  }

  it('costs without candidates', async () => {
    const tensors = sound();
    tensors.delete('candidates');
    await assert.rejects(calibrated(tensors), /candidate_cost: costs of nothing/);
  });

  it('shards with other numbers of candidates', async () => {
    const other = sound()
      .set(
        'candidates',
        numbers([ROWS, N + 1, STEPS, ACTION_DIM], () => 0),
      )
      .set(
        'candidate_cost',
        numbers([ROWS, N + 1], () => 0),
      );
    const shards = [memoryColumns('one', sound()), memoryColumns('two', other)];
    await assert.rejects(
      calibrationData(shards, syntheticCard()),
      /candidates \(N\) differ from those of one/,
    );
  });
});

describe('columns that are odd but true', () => {
  const file = async (tensors: Map<string, Tensor>): Promise<Calibration> => {
    const calibration = await calibrated(tensors);
    assert.deepEqual(calibrationSchema.parse(JSON.parse(JSON.stringify(calibration))), calibration);
    return calibration;
  };

  it('costs beyond what sums can hold lead to no choice, not to a number', async () => {
    const values = Array.from({ length: ROWS * N }, (_, at) => (at % 2 === 0 ? 1 : -1) * Number.MAX_VALUE);
    const { verdict } = await file(sound().set('candidate_cost', float64([ROWS, N], values)));
    assert.equal(verdict, 'must_not_choose');
  });

  it('one candidate a row, and costs that are all the same, are not judged', async () => {
    const single = sound().set(
      'candidates',
      numbers([ROWS, 1, STEPS, ACTION_DIM], () => 0.1),
    );
    single.set(
      'candidate_cost',
      numbers([ROWS, 1], () => 0),
    );
    for (const tensors of [
      single,
      sound().set(
        'candidate_cost',
        numbers([ROWS, N], () => 0.5),
      ),
    ]) {
      const { verdict, report } = await file(tensors);
      assert.equal(verdict, 'must_not_choose');
      assert.match(report.verdict.reasons[0]!, /^Not judged/);
    }
  });

  it('a group of its own for each token: those with the most tokens are reported on', async () => {
    const groups = Array.from({ length: TOKENS }, (_, token) => 100 + token);
    const { report } = await file(sound().set('token_group', int8([TOKENS], groups)));
    assert.deepEqual(
      report.token_groups!.groups.map(({ group }) => group),
      groups,
    );
  });
});
