/** A real gRPC server whose models' queues are full or not as the test says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  ServerCredentials,
  status as Code,
  type Server,
  type ServiceError,
} from '@grpc/grpc-js';
import { pino } from 'pino';
import { queueFault } from '../../../src/batching/reports.js';
import { createMetrics } from '../../../src/metrics/metrics.js';
import { addMethods, ruleOf, type HandlerParts } from '../../../src/grpc/methods.js';
import { CallsUnderWay, CallTraces, type Callers } from '../../../src/grpc/transport/call-scope.js';
import { gate, type GateParts } from '../../../src/grpc/transport/gate.js';
import { StandingCalls } from '../../../src/grpc/transport/standing-calls.js';
import { bindTcp, bindUnix } from '../../../src/grpc/addresses.js';
import { createGrpcServer } from '../../../src/grpc/transport/transport.js';
import { transportOptions } from '../../support/transport.js';
import { ExpectedWait } from '../../../src/serving/admission.js';
import { contract } from '../../../src/wire/contract.js';

const { ScoreActions, GetModel } = contract.energy;
const OPTIONS = transportOptions();

describe('the gate', () => {
  const full = new Set<string>();
  const asked: string[] = [];
  let names = ['one'];
  let drainEstimateMs = 0;
  let read = 0;
  const metrics = createMetrics(() => []);
  let server: Server;
  let client: Client;
  let address: string;

  before(async () => {
    const models = {
      get models() {
        return names.map((name) => ({
          name,
          pace: { msPerUnit: 10 },
          scheduler: {
            drainEstimateMs,
            refusal(caller: string) {
              asked.push(caller);
              if (!full.has(name)) return undefined;
              return { reason: 'queue_full', fault: queueFault('queue_full', 120) };
            },
          },
        }));
      },
    } as unknown as GateParts['models'];
    const callers: Callers = new WeakMap();
    const traces = new CallTraces();
    const wait = new ExpectedWait();
    const standing = new StandingCalls();
    const log = pino({ enabled: false });
    server = createGrpcServer(OPTIONS, [
      gate({ rules: ruleOf, tokens: undefined, callers, traces, standing, models, wait, metrics, log }),
    ]);
    const requestDeserialize = (bytes: Buffer): Buffer => {
      read++;
      return bytes;
    };
    const method = { requestDeserialize, responseSerialize: (bytes: Buffer) => bytes };
    server.addService(
      { ScoreActions: { ...ScoreActions, ...method }, GetModel: { ...GetModel, ...method } },
      Object.fromEntries(
        ['ScoreActions', 'GetModel'].map((name) => [
          name,
          (_call: unknown, callback: (error: null, bytes: Buffer) => void) => callback(null, Buffer.alloc(0)),
        ]),
      ),
    );
    const port = await bindTcp(server, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
    address = `127.0.0.1:${port}`;
    client = new Client(address, credentials.createInsecure());
  });
  after(() => {
    client.close();
    server.forceShutdown();
  });
  beforeEach(() => {
    names = ['one'];
    drainEstimateMs = 0;
    full.clear();
    read = 0;
    metrics.rejections.reset();
  });

  const send = (
    method: string,
    by = client,
    bytes = 100_000,
    timeoutMs?: number,
  ): Promise<ServiceError | undefined> =>
    new Promise((resolve) => {
      const same = (bytes: Buffer): Buffer => bytes;
      const end = (error: ServiceError | null): void => resolve(error ?? undefined);
      const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
      by.makeUnaryRequest(method, same, same, Buffer.alloc(bytes), new Metadata(), options, end);
    });
  const rejected = async (): Promise<object[]> =>
    (await metrics.rejections.get()).values.map(({ labels, value }) => ({ ...labels, value }));

  test('with room a call passes', async () => {
    assert.equal(await send(ScoreActions.path), undefined);
    assert.equal(read, 1);
    assert.match(asked[0] ?? '', /^peer:127\.0\.0\.1:\d+$/);
  });

  test('without room it is refused unread, with a hint when to come again, and counted', async () => {
    full.add('one');
    const error = await send(ScoreActions.path);
    assert.equal(error?.code, Code.RESOURCE_EXHAUSTED);
    assert.deepEqual(error.metadata.get('grpc-retry-pushback-ms'), ['120']);
    assert.match(error.details, /too many requests are waiting/);
    assert.equal(read, 0);
    assert.deepEqual(await rejected(), [{ model: 'one', reason: 'queue_full', value: 1 }]);
  });

  test('what would be answered after its deadline is refused unread, and told when to come again', async () => {
    drainEstimateMs = 5_000;
    assert.equal(await send(ScoreActions.path), undefined); // without a deadline
    const { code, details, metadata } = (await send(ScoreActions.path, client, 100_000, 1_000))!;
    assert.equal(code, Code.RESOURCE_EXHAUSTED);
    assert.match(details, /after the deadline/);
    const retryMs = Number(metadata.get('grpc-retry-pushback-ms')[0]);
    // 5000 and its own 10, less what is left of the deadline
    assert.ok(retryMs > 4_000 && retryMs <= 5_010, String(retryMs));
    assert.equal(read, 1);
    assert.deepEqual(await rejected(), [{ model: 'one', reason: 'late', value: 1 }]);
    assert.equal(await send(ScoreActions.path, client, 100_000, 30_000), undefined);
    drainEstimateMs = 0; // an idle engine takes what comes
    assert.equal(await send(ScoreActions.path, client, 100_000, 30_000), undefined);
  });

  test('the refusal does not wait for a message', async () => {
    full.add('one');
    const session = http2.connect(`http://${address}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': ScoreActions.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(headers['grpc-status'], String(Code.RESOURCE_EXHAUSTED));
    stream.close();
    session.close();
  });

  test('a thousand refused uploads on one connection stop neither it nor others', async () => {
    full.add('one');
    for (let i = 0; i < 100; i++)
      await Promise.all(Array.from({ length: 10 }, () => send(ScoreActions.path)));
    full.clear();
    assert.equal(await send(ScoreActions.path), undefined);
  });

  test('of several models one with room is enough: the message says which is meant', async () => {
    names = ['one', 'two'];
    full.add('one');
    assert.equal(await send(ScoreActions.path), undefined);
    full.add('two');
    assert.equal((await send(ScoreActions.path))?.code, Code.RESOURCE_EXHAUSTED);
    assert.deepEqual(await rejected(), [{ model: '', reason: 'queue_full', value: 1 }]);
  });

  test('two connections to a Unix socket are two callers', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-gate-'));
    const socket = path.join(directory, 'grpc.sock');
    await bindUnix(server, socket);
    asked.length = 0;
    const own = { 'grpc.use_local_subchannel_pool': 1 };
    const callers = [1, 2].map(() => new Client(`unix:${socket}`, credentials.createInsecure(), own));
    try {
      for (const each of callers) assert.equal(await send(ScoreActions.path, each), undefined);
      assert.equal(await send(ScoreActions.path, callers[0]), undefined);
      assert.match(asked[0] ?? '', /^peer:unix:\d+$/);
      assert.notEqual(asked[1], asked[0]);
      assert.equal(asked[2], asked[0]);
    } finally {
      for (const each of callers) each.close();
      await rm(directory, { recursive: true });
    }
  });

  test('nobody is served past the gate', async () => {
    const open = createGrpcServer(OPTIONS, []);
    const parts = {
      calls: new CallsUnderWay(),
      callers: new WeakMap(),
      models: { states: [] },
      limits: { contexts: 1 },
      metrics,
      log: pino({ enabled: false }),
    };
    addMethods(open, parts as unknown as HandlerParts);
    const port = await bindTcp(open, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
    const stranger = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    try {
      assert.equal((await send(contract.energy.ListModels.path, stranger, 0))?.code, Code.INTERNAL);
    } finally {
      stranger.close();
      open.forceShutdown();
    }
  });

  test('what needs no queue is never refused', async () => {
    full.add('one');
    assert.equal(await send(GetModel.path, client, 0), undefined);
  });
});
