/** Streams of Calibrate and Evaluate that are refused, fall silent, or outlive their model or server. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Metadata, status as Code } from '@grpc/grpc-js';
import type { CalibrateRequest } from '../../src/generated/action_energy/v1/CalibrateRequest.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import { badField, call, failure } from '../support/service.js';
import {
  calibrationEnded,
  calibrationMessages,
  calibrationRows,
  calibrationTensors,
  openCalibration,
  sendCalibration,
  serveTinyReach,
} from '../support/tiny-reach.js';

const { Calibrate, Evaluate, GetCalibration } = contract.calibration;

let data: ReadonlyMap<string, Tensor>;

before(async () => {
  data = await calibrationTensors();
});

function rowCount(): number {
  return data.get('hidden')!.shape[0]!;
}

function messages(size?: number): CalibrateRequest[] {
  return calibrationMessages(data, size);
}

describe('the calibrate permission', () => {
  it('is needed for all three methods, and suffices', async () => {
    const [scorer, calibrator] = ['scorer-token-0123456789', 'calibrator-token-0123456789'];
    const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-tokens-'));
    const file = path.join(directory, 'tokens.yaml');
    await writeFile(
      file,
      `tokens:\n  - { name: s, token: ${scorer}, permissions: [score, admin] }\n  - { name: c, token: ${calibrator}, permissions: [calibrate] }\n`,
    );
    const service = await serveTinyReach({ 'tokens-file': file });
    const bearer = (token: string): Metadata => {
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer ${token}`);
      return metadata;
    };
    try {
      for (const [token, code] of [
        [scorer, Code.PERMISSION_DENIED],
        [calibrator, Code.FAILED_PRECONDITION],
      ] as const) {
        const error = await failure(call(service.client, GetCalibration, {}, { metadata: bearer(token) }));
        assert.equal(error.code, code);
      }
      for (const method of [Calibrate, Evaluate]) {
        const denied = openCalibration<unknown>(service.client, method, 10_000, bearer(scorer));
        assert.equal((await failure(denied.answer)).code, Code.PERMISSION_DENIED);
        const allowed = openCalibration<unknown>(service.client, method, 10_000, bearer(calibrator));
        allowed.stream.end();
        assert.equal((await failure(allowed.answer)).code, Code.INVALID_ARGUMENT);
      }
    } finally {
      await service.close();
      await rm(directory, { recursive: true });
    }
  });
});

describe('a calibration that would never end', () => {
  it('is ended when its client falls silent, before and after the header', async () => {
    const service = await serveTinyReach({ 'calibration-idle-ms': '150' });
    try {
      for (const sent of [0, 1, 2]) {
        const { stream, answer } = openCalibration(service.client, Calibrate);
        for (const message of messages().slice(0, sent)) stream.write(message);
        const error = await failure(answer);
        assert.equal(error.code, Code.DEADLINE_EXCEEDED);
        assert.match(error.details, /silent for too long.*--calibration-idle-ms/);
      }
      await calibrationEnded(service.client);
      assert.deepEqual(await readdir(service.spool), []);
    } finally {
      await service.close();
    }
  });

  it('keeps its place when its model is loaded again, and gives it up with its next message', async () => {
    const service = await serveTinyReach();
    try {
      const { stream, answer } = openCalibration(service.client, Calibrate);
      const [header, ...rows] = messages();
      stream.write(header!);
      stream.write(rows[0]!);
      while ((await readdir(service.spool)).length > 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, 50));
      await call(service.client, contract.admin.Reload, {});
      const second = await failure(sendCalibration(service.client, Calibrate, messages()));
      assert.equal(second.code, Code.RESOURCE_EXHAUSTED);
      stream.write(rows[1]!); // the stream is not ended: the answer must come all the same
      const error = await failure(answer);
      assert.equal(error.code, Code.FAILED_PRECONDITION);
      assert.match(error.details, /reloaded meanwhile/);
      await sendCalibration(service.client, Calibrate, messages());
    } finally {
      await service.close();
    }
  });
});

describe('a server that stops', () => {
  it('ends a calibration that waits for its client, and one that computes', async () => {
    const all = messages().length;
    for (const sent of [1, all]) {
      const service = await serveTinyReach();
      const { stream, answer } = openCalibration(service.client, Calibrate);
      for (const message of messages().slice(0, sent)) stream.write(message);
      if (sent === all) stream.end();
      const ended = failure(answer);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const closing = service.close();
      assert.equal((await ended).code, Code.UNAVAILABLE);
      await closing;
    }
  });
});

describe('what Calibrate refuses', () => {
  let service: Awaited<ReturnType<typeof serveTinyReach>>;
  before(async () => {
    service = await serveTinyReach();
  });
  after(() => service.close());

  const refusals: [string, (rows: ReturnType<typeof calibrationRows>) => CalibrateRequest[], string][] = [
    ['no header', (rows) => [{ rows }], 'part'],
    ['no rows declared', () => [{ header: {} }], 'header.rows'],
    ['a bad batch', () => [{ header: { rows: 9, options: { batch: 1 } } }], 'header.options.batch'],
    ['a second header', () => [{ header: { rows: 9 } }, { header: { rows: 9 } }], 'part'],
    ['fewer rows than declared', (rows) => [{ header: { rows: 99 } }, { rows }], 'header.rows'],
    ['more rows than declared', (rows) => [{ header: { rows: 3 } }, { rows }], 'header.rows'],
    [
      'other columns in the second message',
      (rows) => [{ header: { rows: 99 } }, { rows }, { rows: { ...rows, taskId: [] } }],
      'rows.task_id',
    ],
    [
      'offsets that do not fit',
      (rows) => [{ header: { rows: 99 } }, { rows: { ...rows, offsets: [0, 3, 3] } }],
      'rows.offsets[2]',
    ],
    [
      'an id that is none',
      (rows) => [{ header: { rows: 99 } }, { rows: { ...rows, episodeId: [NaN] } }],
      'rows.episode_id[0]',
    ],
  ];
  for (const [name, make, field] of refusals) {
    it(name, async () => {
      const error = await failure(
        sendCalibration(service.client, Calibrate, make(calibrationRows(data, 0, 8))),
      );
      assert.equal(error.code, Code.INVALID_ARGUMENT, error.details);
      assert.equal(badField(error), field);
    });
  }

  it('chunks of more layers than a policy has', async () => {
    const rows = calibrationRows(data, 0, 8);
    const { shape, data: bytes } = rows.actions!;
    const layers = 257;
    const layerActions = {
      dtype: 'FLOAT32' as const,
      shape: [layers, ...shape!],
      data: Buffer.concat(Array.from({ length: layers }, () => Buffer.alloc(bytes!.length))),
    };
    const list: CalibrateRequest[] = [{ header: { rows: 256 } }, { rows: { ...rows, layerActions } }];
    const error = await failure(sendCalibration(service.client, Calibrate, list));
    assert.equal(error.code, Code.INVALID_ARGUMENT, error.details);
    assert.match(error.details, /layer_actions: too many layers; found 257; wanted at most 256/);
  });

  it('data of another model, at the first rows and by name', async () => {
    const { stream, answer } = openCalibration(service.client, Calibrate);
    const rows = calibrationRows(data, 0, 8);
    const { actions } = rows;
    stream.write({ header: { rows: rowCount() } });
    stream.write({ rows: { ...rows, actions: { ...actions!, shape: [8, 7, 8] } } });
    // not ended: the answer must come all the same
    const error = await failure(answer);
    assert.equal(error.code, Code.INVALID_ARGUMENT);
    assert.match(error.details, /actions.*\[8, 7, 8\].*7/);
  });

  it('a row that the engine refuses, by its field', async () => {
    const list = messages();
    const { hidden } = list[1]!.rows!;
    const bad = Buffer.from(hidden!.data as Buffer);
    bad.writeUInt16LE(0x7fc0, 0); // NaN in bfloat16
    list[1] = { rows: { ...list[1]!.rows, hidden: { ...hidden!, data: bad } } };
    const error = await failure(sendCalibration(service.client, Calibrate, list));
    assert.equal(error.code, Code.INVALID_ARGUMENT, error.details);
    assert.match(badField(error) ?? '', /^row 0: hidden/);
  });

  it('keeps rows with ragged contexts apart', async () => {
    const mask = data.get('pad_mask')!;
    const hidden = data.get('hidden')!;
    const [, S, D] = hidden.shape as [number, number, number];
    const token = D * 2;
    // every row without its last `cut` tokens, in messages of 64
    const list: CalibrateRequest[] = [{ header: { rows: rowCount(), options: { seed: 0 } } }];
    for (let start = 0; start < rowCount(); start += 64) {
      const parts: Uint8Array[] = [];
      const masks: Uint8Array[] = [];
      const offsets = [0];
      for (let i = start; i < start + 64; i++) {
        const length = S - (i % 2); // the last token of odd rows is not sent
        parts.push(hidden.bytes.subarray(i * S * token, i * S * token + length * token));
        masks.push(mask.bytes.subarray(i * S, i * S + length));
        offsets.push(offsets.at(-1)! + length);
      }
      const tokens = offsets.at(-1)!;
      const rows = calibrationRows(data, start, start + 64);
      list.push({
        rows: {
          ...rows,
          offsets,
          hidden: { dtype: 'BFLOAT16', shape: [tokens, D], data: Buffer.concat(parts) },
          padMask: { dtype: 'BOOL', shape: [tokens], data: Buffer.concat(masks) },
        },
      });
    }
    const response = await sendCalibration(service.client, Evaluate, list);
    assert.equal(response.model?.calibrationVersion, '');
    assert.equal(response.figures!.reportedRows + response.figures!.fittedRows, rowCount());
    assert.ok(response.figures!.top1!.value! > 0.4, 'guessing would get 1 of 16');
    assert.deepEqual(await readdir(service.bundle), ['energy.json', 'weights.safetensors']);
  });
});
