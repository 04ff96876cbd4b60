/** `serve --record`: what is on disk, whatever happens to the server. */
import assert from 'node:assert/strict';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Client } from '@grpc/grpc-js';
import { pino } from 'pino';
import { openCalibrationData } from '../../src/calibration/data/calibration-data.js';
import { systemClock } from '../../src/batching/clock.js';
import type { SelectActionRequest } from '../../src/generated/action_energy/v1/SelectActionRequest.js';
import { Recorder, type RowOutcome } from '../../src/recording/recorder.js';
import type { RecordedRow } from '../../src/recording/row-file.js';
import { floats32, type Tensor } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { goldenModel, goldenTensors, withDirectory } from '../support/bundles.js';
import { startServerProcess } from '../support/server-process.js';
import {
  call,
  goldenRequest,
  openClient,
  serveGolden,
  until,
  writeGoldenBundles,
} from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const { card } = goldenModel(CASE);
const { inline, candidates } = goldenRequest(CASE);
const [N = 0, H = 0, A = 0] = candidates.shape!;
const { SelectAction, ReportOutcome } = contract.selection;
const BASELINE = 2;
const request = {
  inline,
  candidates,
  baselineIndex: BASELINE,
  rule: 'ENERGY',
  ungated: true,
} satisfies SelectActionRequest;

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

/** Columns of all shards of a folder, one after the other. */
async function shardsOf(folder: string): Promise<{ rows: number; column: (name: string) => number[] }> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors')).sort();
  const shards = await Promise.all(
    names.map(async (name) => readSafetensors(name, await readFile(path.join(folder, name))).tensors),
  );
  const column = (name: string): number[] => shards.flatMap((tensors) => numbers(tensors.get(name)!));
  return { rows: column('outcome').length, column };
}

function numbers({ dtype, bytes }: Tensor): number[] {
  const { buffer } = Uint8Array.from(bytes); // aligned
  if (dtype === 'float64') return [...new Float64Array(buffer)];
  return dtype === 'int64' ? Array.from(new BigInt64Array(buffer), Number) : [...new Float32Array(buffer)];
}

/** The one data set below a recording. */
async function dataSet(directory: string): Promise<string> {
  const [shard] = (await filesIn(directory)).filter((file) => path.basename(file).startsWith('shard-'));
  return path.dirname(shard!);
}

function chunk(index: number): number[] {
  return [...floats32(candidates.data as Buffer).subarray(index * H * A, (index + 1) * H * A)];
}

test('decisions with their outcomes are a data set that calibrate reads', () =>
  withDirectory(async (directory) => {
    const service = await serveGolden([CASE], { record: directory, 'record-share': '1' });
    const ids: string[] = [];
    for (const [step, episodeId] of ['7', '7', '8', '9'].entries()) {
      const answer = await call(service.client, SelectAction, { ...request, episodeId, episodeStep: step });
      ids.push(answer.requestId);
    }
    const best = (await call(service.client, SelectAction, request)).candidateIndex;
    await call(service.client, ReportOutcome, { requestId: ids[0]!, success: true, wholeEpisode: true });
    await call(service.client, ReportOutcome, { requestId: ids[2]!, cost: 0.75, executedIndex: 0 });
    await service.close();

    const folder = await dataSet(directory);
    assert.equal(path.relative(directory, folder), path.join(CASE, `n${N}-h${H}-float32-step`));
    const { rows, column } = await shardsOf(folder);
    assert.equal(rows, 3, 'those without an outcome are not there');
    assert.deepEqual(column('episode_id'), [7, 7, 8]);
    assert.deepEqual(column('step'), [0, 1, 2]);
    assert.deepEqual(column('outcome'), [1, 1, 0.25]);
    const chunks = column('actions');
    assert.deepEqual(chunks.slice(0, H * A), chunk(best));
    assert.deepEqual(chunks.slice(2 * H * A), chunk(0), 'what was executed after all');
    assert.deepEqual(column('policy_actions').slice(H * A, 2 * H * A), chunk(BASELINE));
    const own = column('candidates');
    assert.deepEqual(own.slice(0, H * A), chunk(BASELINE), "the policy's own first");
    assert.deepEqual(own.slice(H * A, 2 * H * A), chunk(0));
    const sent = goldenTensors(CASE, 'inputs').get('pad_mask')!.bytes.subarray(0, inline.hidden!.shape![0]);
    const visible = sent.filter((masked) => masked === 0).length;
    assert.deepEqual(column('offsets'), [0, visible, 2 * visible, 3 * visible]);
    const data = await openCalibrationData([folder], card);
    try {
      assert.deepEqual([data.rows, data.candidates, data.steps], [3, N, H]);
      assert.deepEqual([...data.outcome!], [1, 1, 0.25]);
      assert.deepEqual([...(await data.candidateChunks(0))], own.slice(0, N * H * A));
      assert.equal((await data.context(2)).hidden.shape[0], visible);
    } finally {
      await data.close();
    }
    const left = (await filesIn(directory)).filter((file) => !path.basename(file).startsWith('shard-'));
    assert.deepEqual(left, []);
  }));

test('killed at any moment, the folder holds whole shards', () =>
  withDirectory(async (directory) => {
    const models = path.join(directory, 'models');
    await writeGoldenBundles(models, [CASE]);
    const recording = path.join(directory, 'recording');
    const reported = new Set<number>();
    for (let round = 0; round < 4; round++) {
      const server = await startServerProcess([
        ...['--models', models, '--provider', 'cpu', '--threads', '1', '--quality-share', '0'],
        ...['--record', recording, '--record-share', '1'],
      ]);
      const client = openClient(server.address);
      const loops = Array.from({ length: 4 }, (_, lane) =>
        loop(client, 1000 * round + 100_000 * lane, reported),
      );
      await until(() => reported.size >= 80 * (round + 1));
      await new Promise((resolve) => setTimeout(resolve, 40 * round));
      server.child.kill('SIGKILL');
      await server.exited;
      await Promise.all(loops);
      client.close();
      for (const file of (await filesIn(recording)).filter((each) => each.endsWith('.safetensors'))) {
        if (!path.basename(file).startsWith('shard-')) continue;
        readSafetensors(file, await readFile(file));
      }
    }
    const { rows, column } = await shardsOf(await dataSet(recording));
    assert.ok(rows >= 32, `${rows} rows`);
    const episodes = column('episode_id');
    assert.equal(new Set(episodes).size, episodes.length, 'no decision twice');
    assert.ok(
      episodes.every((episode) => reported.has(episode)),
      'each with an outcome that was reported',
    );
    for (const [row, outcome] of column('outcome').entries()) assert.equal(outcome, 1 - (episodes[row]! % 2));
    assert.equal(column('actions').length, rows * H * A);
  }));

/** Decides and reports until the server is gone. */
async function loop(client: Client, first: number, reported: Set<number>): Promise<void> {
  for (let episode = first; ; episode++) {
    try {
      const { requestId } = await call(client, SelectAction, { ...request, episodeId: String(episode) });
      reported.add(episode);
      await call(client, ReportOutcome, { requestId, success: episode % 2 === 0 });
    } catch {
      return;
    }
  }
}

const ROW: RecordedRow = {
  hidden: { dtype: 'float32', bytes: new Uint8Array(4 * 4 * 8) },
  stateDim: 8,
  perVector: false,
  candidates: { values: new Float32Array(2 * 3 * 2), candidates: 2, steps: 3 },
  baseline: 0,
  executed: new Float32Array(3 * 2),
  episode: 1,
  step: undefined,
  task: undefined,
};

test('the folder never holds more than it may, and goes on once shards are taken away', () =>
  withDirectory(async (directory) => {
    const counts = new Map<RowOutcome, number>();
    let now = 0;
    const recorder = await Recorder.open({
      directory,
      share: 1,
      maxBytes: 40_000,
      clock: { ...systemClock, nowMs: () => now },
      log: pino({ level: 'silent' }),
      onRow: (_, outcome) => counts.set(outcome, (counts.get(outcome) ?? 0) + 1),
    });
    const sizes = async (): Promise<number> => {
      let bytes = 0;
      for (const file of await filesIn(directory)) bytes += (await stat(file)).size;
      return bytes;
    };
    for (let i = 0; i < 200; i++) {
      recorder.begin('m', ROW)?.finish(1);
      if (i % 4 === 0) await recorder.idle();
    }
    await recorder.idle();
    assert.ok(
      (counts.get('full') ?? 0) > 50 && (counts.get('recorded') ?? 0) >= 32,
      JSON.stringify([...counts]),
    );
    assert.ok((await sizes()) <= 40_000);
    assert.equal(recorder.begin('m', ROW), undefined);
    await withDirectory(async (elsewhere) => {
      await rename(await dataSet(directory), path.join(elsewhere, 'taken'));
    });
    now += 3_600_000;
    recorder.begin('m', ROW); // full still: it looks again
    await recorder.idle();
    assert.notEqual(recorder.begin('m', ROW), undefined);
    await recorder.close();
  }));

test('a folder that cannot be written to is refused when the server starts', () =>
  withDirectory(async (directory) => {
    const file = path.join(directory, 'file');
    await writeFile(file, '');
    await assert.rejects(serveGolden([CASE], { record: path.join(file, 'sub') }), /recording\.directory/);
  }));
