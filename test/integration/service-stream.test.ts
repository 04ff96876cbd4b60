/** ScoreActionsStream: ids, order, bad messages, superseding, deadlines, back-pressure, leaving. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { status as Code, type Client, type ClientDuplexStream } from '@grpc/grpc-js';
import type { ScoreActionsStreamRequest } from '../../src/generated/action_energy/v1/ScoreActionsStreamRequest.js';
import type { ScoreActionsStreamResponse__Output } from '../../src/generated/action_energy/v1/ScoreActionsStreamResponse.js';
import { contract } from '../../src/wire/contract.js';
import { serveGatedEngines, type GatedEngine, type GatedService } from '../support/gated-engine.js';
import { call, goldenRequest, metricsPage, until } from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const request = goldenRequest(CASE);
const OUTSTANDING = 4;

type Answer = ScoreActionsStreamResponse__Output;
const { ScoreActionsStream, ScoreActions } = contract.energy;

interface OpenStream {
  readonly call: ClientDuplexStream<ScoreActionsStreamRequest, Answer>;
  readonly answers: Answer[];
  readonly status: Promise<Code>;
}

function openStream(client: Client): OpenStream {
  const stream = client.makeBidiStreamRequest(
    ScoreActionsStream.path,
    ScoreActionsStream.requestSerialize,
    ScoreActionsStream.responseDeserialize,
  );
  const answers: Answer[] = [];
  stream.on('data', (answer: Answer) => answers.push(answer));
  stream.on('error', () => undefined); // the status tells
  const status = new Promise<Code>((resolve) => stream.on('status', ({ code }) => resolve(code)));
  return { call: stream, answers, status };
}

function outcomes(answers: readonly Answer[]): Record<string, string | undefined> {
  return Object.fromEntries(answers.map(({ requestId, outcome }) => [requestId, outcome]));
}

describe('ScoreActionsStream', () => {
  let service: GatedService;
  let client: Client;
  let engine: GatedEngine;
  before(async () => {
    service = await serveGatedEngines([CASE], { 'max-stream-outstanding': String(OUTSTANDING) });
    ({ client, engine } = service);
  });
  afterEach(() => engine.open());
  after(() => service.close());

  /** Shuts the gate with one request of somebody else behind it, so that what comes next waits. */
  async function occupyEngine(): Promise<void> {
    engine.shut();
    const begun = engine.batches;
    void call(client, ScoreActions, request);
    await until(() => engine.batches > begun);
  }

  test('many requests, each answered with its id and the energies of a single call', async () => {
    const { energies } = await call(client, ScoreActions, request);
    const stream = openStream(client);
    for (let id = 1; id <= 20; id++) stream.call.write({ requestId: id, request });
    stream.call.end();
    assert.equal(await stream.status, Code.OK);
    const ids = stream.answers.map(({ requestId }) => Number(requestId)).sort((a, b) => a - b);
    assert.deepEqual(
      ids,
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    for (const answer of stream.answers) assert.deepEqual(answer.response?.energies, energies);
  });

  test('a bad message fails alone, with what ScoreActions would have said', async () => {
    const stream = openStream(client);
    stream.call.write({ requestId: 1, request });
    stream.call.write({
      requestId: 2,
      request: { ...request, candidates: { dtype: 'FLOAT32', shape: [1], data: '' } },
    });
    stream.call.write({ requestId: 3 });
    stream.call.write({ requestId: 4, request: { ...request, model: 'nobody' } });
    stream.call.write({ requestId: 5, request });
    stream.call.end();
    assert.equal(await stream.status, Code.OK);
    assert.deepEqual(outcomes(stream.answers), {
      1: 'response',
      2: 'error',
      3: 'error',
      4: 'error',
      5: 'response',
    });
    const codes = Object.fromEntries(stream.answers.map(({ requestId, error }) => [requestId, error?.code]));
    assert.deepEqual(
      [codes[2], codes[3], codes[4]],
      [Code.INVALID_ARGUMENT, Code.INVALID_ARGUMENT, Code.NOT_FOUND],
    );
  });

  test('a message that is no protobuf is answered with id 0', async () => {
    const stream = client.makeBidiStreamRequest(
      ScoreActionsStream.path,
      (bytes: Buffer) => bytes,
      ScoreActionsStream.responseDeserialize,
    );
    const answers: Answer[] = [];
    stream.on('data', (answer: Answer) => answers.push(answer));
    stream.write(Buffer.from([0xff, 0xff, 0xff]));
    stream.write(ScoreActionsStream.requestSerialize({ requestId: 7, request }));
    stream.end();
    await new Promise((resolve) => stream.on('status', resolve));
    assert.deepEqual(outcomes(answers), { 0: 'error', 7: 'response' });
  });

  test('a newer request supersedes those that wait and opted in, at once, and no others', async () => {
    await occupyEngine();
    const stream = openStream(client);
    stream.call.write({ requestId: 1, request, supersede: true });
    stream.call.write({ requestId: 2, request });
    stream.call.write({ requestId: 3, request, supersede: true });
    await until(() => stream.answers.length === 1); // while the engine is still shut
    assert.deepEqual(stream.answers[0], {
      requestId: '1',
      superseded: { byRequestId: '3' },
      outcome: 'superseded',
    });
    engine.open();
    stream.call.end();
    assert.equal(await stream.status, Code.OK);
    assert.deepEqual(outcomes(stream.answers), { 1: 'superseded', 2: 'response', 3: 'response' });
  });

  test('a request that runs already is not superseded', async () => {
    engine.shut();
    const begun = engine.batches;
    const stream = openStream(client);
    stream.call.write({ requestId: 1, request, supersede: true });
    await until(() => engine.batches > begun);
    stream.call.write({ requestId: 2, request, supersede: true });
    stream.call.write({ requestId: 3, request, supersede: true });
    await until(() => stream.answers.length === 1);
    engine.open();
    stream.call.end();
    assert.equal(await stream.status, Code.OK);
    assert.deepEqual(outcomes(stream.answers), { 1: 'response', 2: 'superseded', 3: 'response' });
  });

  test('an id in use is refused, and the first request goes on', async () => {
    await occupyEngine();
    const stream = openStream(client);
    stream.call.write({ requestId: 1, request });
    stream.call.write({ requestId: 1, request });
    await until(() => stream.answers.length === 1);
    assert.equal(stream.answers[0]?.error?.code, Code.INVALID_ARGUMENT);
    engine.open();
    stream.call.end();
    assert.equal(await stream.status, Code.OK);
    assert.equal(stream.answers[1]?.outcome, 'response');
  });

  test('one request has a deadline, the stream lives on', async () => {
    await occupyEngine();
    const stream = openStream(client);
    stream.call.write({ requestId: 1, request, timeoutMs: 20 });
    await until(() => stream.answers.length === 1);
    assert.equal(stream.answers[0]?.error?.code, Code.DEADLINE_EXCEEDED);
    engine.open();
    stream.call.write({ requestId: 2, request });
    stream.call.end();
    assert.equal(await stream.status, Code.OK);
    assert.equal(stream.answers[1]?.outcome, 'response');
  });

  test('no more than the bound is under way, and all are answered in the end', async () => {
    const queueDepth = async (): Promise<number> =>
      Number(/^action_energy_queue_depth\{.*\} (\d+)$/m.exec(await metricsPage(service))?.[1]);
    await occupyEngine();
    const stream = openStream(client);
    const total = 10 * OUTSTANDING;
    for (let id = 1; id <= total; id++) stream.call.write({ requestId: id, request });
    while ((await queueDepth()) < OUTSTANDING) await call(client, contract.energy.ListModels, {});
    for (let trip = 0; trip < 20; trip++) await call(client, contract.energy.ListModels, {}); // time to read on, if it did
    assert.equal(await queueDepth(), OUTSTANDING);
    engine.open();
    stream.call.end();
    assert.equal(await stream.status, Code.OK);
    assert.equal(stream.answers.length, total);
    assert.equal(new Set(stream.answers.map(({ requestId }) => requestId)).size, total);
  });

  test('a client that leaves takes its waiting requests along', async () => {
    await occupyEngine();
    const begun = engine.batches;
    const stream = openStream(client);
    stream.call.write({ requestId: 1, request });
    stream.call.write({ requestId: 2, request: {} });
    await until(() => stream.answers.length === 1); // the bad one; the good one waits
    stream.call.cancel();
    assert.equal(await stream.status, Code.CANCELLED);
    await call(client, contract.energy.ListModels, {}); // the server has seen the reset that came before this call
    engine.open();
    await call(client, ScoreActions, request);
    assert.equal(engine.batches, begun + 1);
  });
});
