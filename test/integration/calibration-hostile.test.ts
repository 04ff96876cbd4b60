/** Calibrate and Evaluate streams whose columns of choosing lie: refused by name, nothing left behind, the next one is served. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { status as Code } from '@grpc/grpc-js';
import type { CalibrationRows } from '../../src/generated/action_energy/v1/CalibrationRows.js';
import type { Tensor as TensorMessage } from '../../src/generated/action_energy/v1/Tensor.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import { badField, failure, tensorMessage } from '../support/service.js';
import {
  calibrationEnded,
  calibrationRows,
  calibrationTensors,
  sendCalibration,
  serveTinyReach,
  type TinyService,
} from '../support/tiny-reach.js';

const { Calibrate, Evaluate } = contract.calibration;
const ROWS = 16;

let tensors: ReadonlyMap<string, Tensor>;
let service: TinyService;

before(async () => {
  tensors = await calibrationTensors();
  service = await serveTinyReach();
});
after(() => service.close());

function part(name: string, rows = ROWS): Tensor {
  const { dtype, shape, bytes } = tensors.get(name)!;
  const size = (bytes.byteLength / shape[0]!) * rows;
  return { dtype, shape: [rows, ...shape.slice(1)], bytes: bytes.slice(0, size) };
}

/** A column with NaN in one place. */
function withNaN(name: string, at: number): TensorMessage {
  const tensor = part(name);
  const { buffer } = tensor.bytes;
  if (tensor.dtype === 'bfloat16') new Uint16Array(buffer)[at] = 0x7fc0;
  else new Float32Array(buffer)[at] = NaN;
  return tensorMessage(tensor);
}

function tokens(): number {
  const [rows, width] = part('hidden').shape;
  return rows! * width!;
}

const LIES: readonly (readonly [string, () => Partial<CalibrationRows>, RegExp])[] = [
  [
    'candidates with fewer bytes than their shape says',
    () => {
      const message = tensorMessage(part('candidates'));
      return { candidates: { ...message, data: Buffer.from(message.data as Uint8Array).subarray(0, 999) } };
    },
    /^rows\.candidates/,
  ],
  [
    'candidates whose shape is beyond all memory',
    () => ({ candidates: { ...tensorMessage(part('candidates')), shape: [ROWS, 2 ** 40, 8, 7] } }),
    /^rows\.candidates/,
  ],
  [
    'candidates whose product of sizes wraps round',
    () => ({ candidates: { ...tensorMessage(part('candidates')), shape: [2 ** 32, 2 ** 32, 1, 1] } }),
    /^rows\.candidates/,
  ],
  [
    'candidates as truth values',
    () => ({ candidates: { ...tensorMessage(part('candidates')), dtype: 'BOOL' } }),
    /^rows.*candidates/,
  ],
  ['candidates of fewer rows', () => ({ candidates: tensorMessage(part('candidates', 3)) }), /candidates/],
  [
    'costs of another number of candidates',
    () => {
      const cost = part('candidate_cost');
      const [rows, width] = cost.shape;
      const bytes = cost.bytes.slice(0, rows! * (width! - 1) * 4);
      return { candidateCost: tensorMessage({ dtype: cost.dtype, shape: [rows!, width! - 1], bytes }) };
    },
    /candidate_cost/,
  ],
  ['a NaN among candidates', () => ({ candidates: withNaN('candidates', 77) }), /^candidates of row \d+/],
  [
    'a NaN among costs',
    () => ({ candidateCost: withNaN('candidate_cost', 5) }),
    /candidate_cost\[\d+\]\[\d+\]/,
  ],
  ['outcomes of fewer rows', () => ({ outcome: [1, 0] }), /outcome/],
  [
    'a NaN among outcomes',
    () => ({ outcome: Array.from({ length: ROWS }, () => NaN) }),
    /^rows\.outcome\[0\]/,
  ],
  ['groups of fewer tokens', () => ({ tokenGroup: [0, 1, 1] }), /token_group/],
  [
    'a group beyond int32',
    () => ({ tokenGroup: Array.from({ length: tokens() }, (_, at) => (at === 3 ? 2 ** 31 : 0)) }),
    /^rows\.token_group\[3\]/,
  ],
];

describe('a stream of calibration data', () => {
  for (const [name, lie, field] of LIES) {
    it(`is refused with ${name}`, async () => {
      const sound = {
        ...calibrationRows(tensors, 0, ROWS),
        candidates: tensorMessage(part('candidates')),
        candidateCost: tensorMessage(part('candidate_cost')),
      };
      for (const method of [Calibrate, Evaluate]) {
        const messages = [{ header: { rows: ROWS } }, { rows: { ...sound, ...lie() } }];
        const error = await failure(sendCalibration(service.client, method, messages));
        assert.equal(error.code, Code.INVALID_ARGUMENT, error.details);
        assert.match(badField(error) ?? '', field, error.details);
        await calibrationEnded(service.client);
        assert.deepEqual(await readdir(service.spool), []);
      }
    });
  }

  it('is refused when candidates come with the first message alone, or it ends too early', async () => {
    const rows = calibrationRows(tensors, 0, ROWS);
    const with_ = { ...rows, candidates: tensorMessage(part('candidates')) };
    const changed = [{ header: { rows: 2 * ROWS } }, { rows: with_ }, { rows }];
    const error = await failure(sendCalibration(service.client, Evaluate, changed));
    assert.deepEqual([error.code, badField(error)], [Code.INVALID_ARGUMENT, 'rows.candidates']);
    await calibrationEnded(service.client);
    const cut = await failure(sendCalibration(service.client, Evaluate, changed.slice(0, 2)));
    assert.deepEqual([cut.code, badField(cut)], [Code.INVALID_ARGUMENT, 'header.rows']);
    await calibrationEnded(service.client);
  });

  it('is served as ever afterwards, with all of these columns', async () => {
    const rows = {
      ...calibrationRows(tensors, 0, ROWS),
      candidates: tensorMessage(part('candidates')),
      candidateCost: tensorMessage(part('candidate_cost')),
      outcome: Array.from({ length: ROWS }, () => 1),
      tokenGroup: Array.from({ length: tokens() }, (_, at) => at % 2),
    };
    const { reportJson } = await sendCalibration(service.client, Evaluate, [
      { header: { rows: ROWS } },
      { rows },
    ]);
    const report = JSON.parse(reportJson) as {
      token_groups: { groups: unknown[] };
      choice: { candidates: number };
    };
    assert.equal(report.token_groups.groups.length, 2);
    assert.ok(report.choice.candidates > 1);
  });
});
