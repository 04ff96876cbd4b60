/** The typed client against a real server: answers, faults as the server threw them, deadlines, retries, kept contexts. */
import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Server, ServerCredentials, status as Code, Metadata } from '@grpc/grpc-js';
import { EnergyClient } from '../../src/client/energy-client.js';
import { ClientContext } from '../../src/client/kept-context.js';
import { Fault, type FaultKind } from '../../src/errors.js';
import { callStatus } from '../../src/grpc/transport/status.js';
import { contract } from '../../src/wire/contract.js';
import { goldenTensors } from '../support/bundles.js';
import { serveGatedEngines, type GatedEngine, type GatedService } from '../support/gated-engine.js';
import { addressOf, goldenContext, tensorMessage, until } from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const inputs = goldenTensors(CASE, 'inputs');
const inline = goldenContext(inputs, 0);
const candidates = tensorMessage(inputs.get('actions')!);

async function faultOf(calling: Promise<unknown>): Promise<Fault> {
  const error = await calling.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Fault, `a fault, not ${String(error)}`);
  return error;
}

describe('EnergyClient', () => {
  let service: GatedService;
  let engine: GatedEngine;
  let client: EnergyClient;
  before(async () => {
    service = await serveGatedEngines([CASE]);
    ({ engine } = service);
    client = await EnergyClient.open({ address: addressOf(service.server) });
  });
  after(async () => {
    client.close();
    await service.close();
  });

  test('a signal that outlives its calls keeps none of their listeners', async () => {
    const { signal } = new AbortController();
    await client.score({ inline, candidates }, { signal });
    await faultOf(client.score({ inline }, { signal }));
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  test('scores, keeps, drops, makes a matrix, lists models, tells health', async () => {
    const fresh = await client.score({ inline, candidates });
    assert.equal(fresh.energies.length, candidates.shape![0]);
    const put = await client.putContext({ context: inline });
    const contextId = put.context!.contextId;
    assert.deepEqual((await client.score({ contextId, candidates })).energies, fresh.energies);
    const matrix = await client.matrix({ contexts: [{ contextId }], actions: candidates });
    assert.deepEqual(matrix.energies?.shape, [1, fresh.energies.length]);
    assert.ok(Number((await client.dropContext({ contextId })).bytes) > 0);
    assert.deepEqual(
      (await client.listModels()).map(({ version }) => version?.name),
      [CASE],
    );
    assert.equal((await client.getModel('')).state, 'READY');
    assert.equal(await client.health(), 'SERVING');
    assert.equal(await client.health(CASE), 'SERVING');
    assert.equal((await faultOf(client.health('nobody'))).kind, 'not_found');
  });

  test('faults come back with their kind and field', async () => {
    const wrong = await faultOf(client.score({ inline }));
    assert.equal(wrong.kind, 'invalid');
    assert.equal(wrong.field, 'candidates');
    assert.match(wrong.message, /^candidates: missing; found nothing/);
    assert.equal((await faultOf(client.score({ model: 'nobody', inline, candidates }))).kind, 'not_found');
  });

  test('a deadline and an aborted signal end the call', async () => {
    engine.shut();
    const began = engine.batches;
    const running = client.score({ inline, candidates });
    await until(() => engine.batches > began);
    assert.equal((await faultOf(client.score({ inline, candidates }, { timeoutMs: 50 }))).kind, 'deadline');
    const abort = new AbortController();
    const aborted = faultOf(client.score({ inline, candidates }, { signal: abort.signal }));
    setTimeout(() => abort.abort(), 20);
    assert.equal((await aborted).kind, 'cancelled');
    assert.equal(
      (await faultOf(client.score({ inline, candidates }, { signal: abort.signal }))).kind,
      'cancelled',
    );
    engine.open();
    await running;
  });

  test('a kept context is sent again when the server has lost it', async () => {
    const context = new ClientContext(client, inline, { model: CASE });
    const first = await context.score({ candidates });
    const firstId = context.id;
    assert.ok(firstId !== undefined);
    assert.deepEqual((await context.score({ candidates })).energies, first.energies);
    assert.equal(context.id, firstId);
    await client.dropContext({ model: CASE, contextId: firstId }); // as eviction does
    assert.deepEqual((await context.score({ candidates })).energies, first.energies);
    assert.notEqual(context.id, firstId);
    const secondId = context.id;
    await client.dropContext({ model: CASE, contextId: secondId });
    const contextsOf = (contextId: string): Promise<unknown> =>
      client.matrix({ model: CASE, contexts: [{ contextId }], actions: candidates });
    await context.withId(contextsOf);
    assert.notEqual(context.id, secondId);
    await client.dropContext({ model: CASE, contextId: context.id });
    await context.drop(); // gone already
    const stranger = new ClientContext(client, inline, { model: 'nobody' });
    assert.equal((await faultOf(stranger.score({ candidates }))).kind, 'not_found');
  });

  test('a stream answers each request by itself', async () => {
    const stream = client.stream();
    const [good, bad, again] = [
      stream.score({ inline, candidates }),
      faultOf(stream.score({ inline })),
      stream.score({ inline, candidates }),
    ];
    assert.deepEqual((await good).energies, (await again).energies);
    const fault = await bad;
    assert.deepEqual([fault.kind, fault.field], ['invalid', 'candidates']);

    engine.shut();
    const began = engine.batches;
    const running = stream.score({ inline, candidates }, { supersede: true });
    await until(() => engine.batches > began);
    const superseded = faultOf(stream.score({ inline, candidates }, { supersede: true }));
    const newest = stream.score({ inline, candidates }, { supersede: true });
    assert.equal((await superseded).kind, 'superseded');
    engine.open();
    await Promise.all([running, newest]);
    assert.equal(stream.outstanding, 0);
    stream.end();
    await until(() => stream.ended);
    assert.equal((await faultOf(stream.score({ inline, candidates }))).kind, 'unavailable');
  });

  test('cancelling a stream ends what waits', async () => {
    engine.shut();
    const abort = new AbortController();
    const stream = client.stream({ signal: abort.signal });
    const waiting = faultOf(stream.score({ inline, candidates }));
    abort.abort();
    assert.equal((await waiting).kind, 'cancelled');
    engine.open();
  });
});

/** A server that fails `failures` times and then answers. */
async function flakyServer(
  failures: number,
  fault: Fault,
): Promise<{ address: string; calls: () => number; close: () => void }> {
  let calls = 0;
  const server = new Server();
  server.addService(
    { GetModel: contract.energy.GetModel },
    {
      GetModel: (_call: unknown, callback: (error: object | null, value?: object) => void) => {
        if (++calls > failures) callback(null, {});
        else callback(callStatus(fault, 'test'));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { address: `127.0.0.1:${port}`, calls: () => calls, close: () => server.forceShutdown() };
}

/** Resets the first calls, unread, with an HTTP/2 error code, and answers the others with an empty message. */
async function resettingServer(resets: number, code: number): ReturnType<typeof flakyServer> {
  let calls = 0;
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    if (calls++ < resets) return stream.close(code);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(5));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    calls: () => calls,
    close: () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

describe('retries', () => {
  const rows: readonly [
    name: string,
    kind: FaultKind,
    retryAfterMs: number | undefined,
    settings: { timeoutMs?: number; retries?: number },
    calls: number,
    ok: boolean,
  ][] = [
    ['a full server that says when', 'exhausted', 5, {}, 3, true],
    ['one that is stopping and says when', 'unavailable', 5, {}, 3, true],
    ['one that does not say when', 'exhausted', undefined, {}, 1, false],
    ['as often as was asked for', 'exhausted', 5, { retries: 1 }, 2, false],
    ['not beyond the deadline', 'exhausted', 60_000, { timeoutMs: 5_000 }, 1, false],
  ];
  for (const [name, kind, retryAfterMs, settings, calls, ok] of rows) {
    test(name, async () => {
      const fault = new Fault(kind, 'busy', retryAfterMs === undefined ? {} : { retryAfterMs });
      const server = await flakyServer(2, fault);
      const client = await EnergyClient.open({ address: server.address });
      try {
        const calling = client.getModel('', settings);
        if (ok) await calling;
        else assert.equal((await faultOf(calling)).kind, kind);
        assert.equal(server.calls(), calls);
      } finally {
        client.close();
        server.close();
      }
    });
  }

  // as a proxy does that has lost its server, a server on Node beyond the bound of a connection, and one that is broken
  const resets: readonly [code: keyof typeof http2.constants, kind: FaultKind, retried: boolean][] = [
    ['NGHTTP2_INTERNAL_ERROR', 'unavailable', true],
    ['NGHTTP2_ENHANCE_YOUR_CALM', 'exhausted', true],
    ['NGHTTP2_PROTOCOL_ERROR', 'internal', false],
  ];
  for (const [code, kind, retried] of resets) {
    test(`a call that is reset with ${code} is ${retried ? '' : 'not '}tried again`, async () => {
      const server = await resettingServer(2, http2.constants[code] as number);
      const client = await EnergyClient.open({ address: server.address });
      try {
        const once = await faultOf(client.getModel('', { retries: 0 }));
        assert.equal(once.kind, kind, once.message);
        if (retried) await client.getModel('');
        else assert.equal((await faultOf(client.getModel(''))).kind, kind);
        assert.equal(server.calls(), retried ? 3 : 2);
      } finally {
        client.close();
        server.close();
      }
    });
  }

  test('an abort ends the pause', async () => {
    const server = await flakyServer(1, new Fault('exhausted', 'busy', { retryAfterMs: 60_000 }));
    const client = await EnergyClient.open({ address: server.address });
    const abort = new AbortController();
    const calling = faultOf(client.getModel('', { signal: abort.signal }));
    await until(() => server.calls() === 1);
    setTimeout(() => abort.abort(), 20);
    assert.equal((await calling).kind, 'cancelled');
    client.close();
    server.close();
  });
});

test('a wrong address, half a certificate and a token with a line end are refused by name', async () => {
  for (const [target, field] of [
    [{ address: 'http://host:1' }, 'address'],
    [{ address: '127.0.0.1:1', tls: { certFile: 'cert.pem' } }, 'tls'],
    [{ address: '127.0.0.1:1', tls: { caFile: '/no/ca.pem' } }, '/no/ca.pem'],
    [{ address: '127.0.0.1:1', token: 'two words' }, 'token'],
  ] as const) {
    const fault = await faultOf(EnergyClient.open(target));
    assert.deepEqual([fault.kind, fault.field], ['invalid', field]);
  }
});

test('a server that is not there is unavailable, and metadata that no server of ours sends does no harm', async () => {
  const client = await EnergyClient.open({ address: '127.0.0.1:1' });
  assert.equal((await faultOf(client.getModel('', { timeoutMs: 10_000 }))).kind, 'unavailable');
  client.close();

  const server = new Server();
  const trailer = new Metadata();
  trailer.set('grpc-status-details-bin', Buffer.from([0xff, 0xff, 0xff]));
  trailer.set('grpc-retry-pushback-ms', '-1');
  server.addService(
    { GetModel: contract.energy.GetModel },
    {
      GetModel: (_call: unknown, callback: (error: object) => void) =>
        callback({ code: Code.RESOURCE_EXHAUSTED, details: 'strange', metadata: trailer }),
    },
  );
  const port = await new Promise<number>((resolve) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, bound) => resolve(bound));
  });
  const other = await EnergyClient.open({ address: `127.0.0.1:${port}` });
  const fault = await faultOf(other.getModel(''));
  assert.deepEqual([fault.kind, fault.message, fault.retryAfterMs], ['exhausted', 'strange', undefined]);
  other.close();
  server.forceShutdown();
});
