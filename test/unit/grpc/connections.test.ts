/** Who may connect to a real gRPC server, for how long, and what the metrics say of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ServerCredentials, type Server, type ServerDuplexStream } from '@grpc/grpc-js';
import { bindTcp } from '../../../src/grpc/addresses.js';
import { createGrpcServer, type TransportOptions } from '../../../src/grpc/transport/transport.js';
import { createMetrics, type Metrics } from '../../../src/metrics/metrics.js';
import { contract } from '../../../src/wire/contract.js';
import { until } from '../../support/service.js';
import { transportOptions } from '../../support/transport.js';

const { ScoreActionsStream } = contract.energy;

describe('connections', () => {
  let server: Server;
  let port: number;
  let metrics: Metrics;
  let sessions: http2.ClientHttp2Session[];

  beforeEach(() => {
    metrics = createMetrics(() => []);
    sessions = [];
  });
  afterEach(() => {
    for (const session of sessions) session.destroy();
    server.forceShutdown();
  });

  async function serve(overrides: Partial<TransportOptions>): Promise<void> {
    server = createGrpcServer(transportOptions({ metrics, ...overrides }), []);
    server.addService(
      { ScoreActionsStream },
      {
        ScoreActionsStream: (call: ServerDuplexStream<unknown, unknown>) => {
          call.on('data', () => call.end());
          call.on('error', () => undefined);
        },
      },
    );
    port = await bindTcp(server, { host: '0.0.0.0', port: 0 }, ServerCredentials.createInsecure());
  }

  /** A connection that is up, or undefined where it was refused. `from`: an address of this machine. */
  async function open(from = '127.0.0.1'): Promise<http2.ClientHttp2Session | undefined> {
    const socket: Socket = connect({ host: '127.0.0.1', port, localAddress: from });
    const session = http2.connect('http://localhost', { createConnection: () => socket });
    session.on('error', () => undefined);
    sessions.push(session);
    const up = await Promise.race([
      once(session, 'remoteSettings').then(() => true),
      once(session, 'close').then(() => false),
    ]);
    return up ? session : undefined;
  }

  function call(session: http2.ClientHttp2Session): http2.ClientHttp2Stream {
    const stream = session.request({
      ':method': 'POST',
      ':path': ScoreActionsStream.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    return stream;
  }

  const openCount = async (): Promise<number> => (await metrics.connections.get()).values[0]?.value ?? 0;
  const closed = async (cause: string): Promise<number> =>
    (await metrics.connectionsClosed.get()).values.find(({ labels }) => labels.cause === cause)?.value ?? 0;

  test('beyond the cap, new ones are refused while the others are young', async () => {
    await serve({ connections: 3 });
    for (let i = 0; i < 3; i++) assert.ok(await open());
    assert.equal(await open(), undefined);
    assert.equal(await openCount(), 3);
    assert.equal(await closed('limit'), 1);
  });

  test('one address has a share, so that another one is let in', async () => {
    await serve({ connections: 4, peerConnections: 2 });
    for (let i = 0; i < 2; i++) assert.ok(await open());
    assert.equal(await open(), undefined);
    assert.equal(await closed('peer_limit'), 1);
    assert.ok(await open('127.0.0.2'));
    sessions[0]!.destroy();
    await until(async () => (await openCount()) === 2);
    assert.ok(await open(), 'a place that was given back is taken again');
  });

  test('where all are taken, the one longest without a call makes room; one with a call stays', async () => {
    await serve({ connections: 2 });
    const busy = await open();
    call(busy!);
    const idle = await open();
    const gone = once(idle!, 'close');
    await until(async () => (await open()) !== undefined); // after a second without a call
    await gone;
    assert.equal(busy!.destroyed, false);
    await until(async () => (await closed('displaced')) === 1);
  });

  test('one that answers pings and asks nothing is closed when it has been idle for too long', async () => {
    await serve({ connectionIdleMs: 150 });
    const idle = await open();
    const busy = await open();
    call(busy!);
    const pings = setInterval(() => idle!.destroyed || idle!.ping(() => undefined), 20);
    await once(idle!, 'close');
    clearInterval(pings);
    await until(async () => (await closed('idle')) === 1);
    assert.equal(busy!.destroyed, false);
  });

  test('calls cancelled by the thousand cost no other call of their connections', async () => {
    await serve({ connections: 64, peerConnections: 64 });
    const codes: number[] = [];
    const held: http2.ClientHttp2Stream[] = [];
    const connection = async (): Promise<http2.ClientHttp2Session> => {
      const session = (await open())!;
      session.on('goaway', (code: number) => codes.push(code));
      held.push(call(session)); // another caller's
      return session;
    };
    let session = await connection();
    for (let i = 0; i < 3_000; i++) {
      if (session.closed) session = await connection(); // as gRPC's clients do after a GOAWAY
      const cancelled = call(session);
      cancelled.close(http2.constants.NGHTTP2_CANCEL);
      await once(cancelled, 'close');
      // as many as a client may have under way, which it cancels before it reads
      if (i % 250 === 249 && !session.closed) await new Promise((resolve) => session.ping(resolve));
    }
    const answers = held.map(async (stream) => {
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      stream.resume();
      return headers[':status'];
    });
    for (const stream of held) stream.end(Buffer.alloc(5)); // a message
    assert.deepEqual(
      await Promise.all(answers),
      held.map(() => 200),
    );
    assert.ok(held.length >= 3, 'connections were given up for new ones');
    assert.deepEqual(
      codes,
      codes.map(() => http2.constants.NGHTTP2_NO_ERROR),
    );
    await until(async () => (await closed('resets')) === held.length - 1);
  });

  test('what its client ends, and what breaks, are told apart; bytes are counted', async () => {
    await serve({});
    const leaving = await open();
    const stream = call(leaving!);
    stream.resume();
    stream.end(Buffer.concat([Buffer.from([0, 0, 1, 0, 0]), Buffer.alloc(1 << 16)]));
    await once(stream, 'close');
    leaving!.close();
    await until(async () => (await closed('client')) === 1);
    assert.ok((await metrics.connectionReceived.get()).values[0]!.value > 1 << 16);
    assert.ok((await metrics.connectionSent.get()).values[0]!.value > 50);
    const broken = connect({ host: '127.0.0.1', port });
    broken.write('GET / HTTP/1.1\r\n\r\n');
    await once(broken.resume(), 'close');
    await until(async () => (await closed('error')) === 1);
    assert.equal(await openCount(), 0);
  });
});
