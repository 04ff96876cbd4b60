import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { bindTcp, bindUnix } from '../../../src/grpc/addresses.js';
import { createGrpcServer } from '../../../src/grpc/transport/transport.js';
import { transportOptions } from '../../support/transport.js';
import { contract } from '../../../src/wire/contract.js';
import { until } from '../../support/service.js';

const WINDOW = 256 << 10;
/** Longer than a window. */
const UPLOAD_BYTES = 1 << 20;
const OPTIONS = transportOptions({
  messageBytes: 64 << 20,
  concurrentStreams: 7,
  receiveWindowBytes: WINDOW,
});

/** A service whose stream never reads, so that only the windows decide how much a client can send. */
function unreading(server: Server): Server {
  server.addService(contract.energy, { ScoreActionsStream: () => undefined });
  return server;
}

async function openSession(address: string | { path: string }): Promise<http2.ClientHttp2Session> {
  const session =
    typeof address === 'string'
      ? http2.connect(`http://${address}`)
      : http2.connect('http://localhost', { createConnection: () => connect(address) });
  await once(session, 'remoteSettings');
  await new Promise((resolve) => session.ping(resolve)); // what the server sent behind its settings has come too
  return session;
}

function upload(session: http2.ClientHttp2Session): http2.ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': contract.energy.ScoreActionsStream.path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  return stream;
}

describe('receive windows', () => {
  let server: Server;
  let stock: Server;
  let directory: string;
  let tcp: string;
  let stockTcp: string;
  let socket: string;

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'action-energy-transport-'));
    socket = path.join(directory, 'grpc.sock');
    server = unreading(createGrpcServer(OPTIONS, []));
    tcp = `127.0.0.1:${await bindTcp(server, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure())}`;
    await bindUnix(server, socket);
    stock = unreading(new Server());
    const port = await bindTcp(stock, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
    stockTcp = `127.0.0.1:${port}`;
  });
  after(async () => {
    server.forceShutdown();
    stock.forceShutdown();
    await rm(directory, { recursive: true });
  });

  for (const [name, address] of [
    ['TCP', () => tcp],
    ['a Unix socket', () => ({ path: socket })],
  ] as const) {
    test(`${name}: a client sends a window ahead of what is read, and no more`, async () => {
      const session = await openSession(address());
      assert.equal(session.remoteSettings.initialWindowSize, WINDOW);
      assert.equal(session.remoteSettings.maxConcurrentStreams, OPTIONS.concurrentStreams);
      assert.equal(session.remoteSettings.maxFrameSize, 1 << 20);
      assert.equal(session.remoteSettings.maxHeaderListSize, 16 << 10);
      const connection = session.state.remoteWindowSize ?? 0;
      assert.ok(connection >= 16 << 20, 'calls of one connection do not wait for each other');
      const stream = upload(session);
      stream.write(Buffer.alloc(UPLOAD_BYTES));
      const sent = (): number => session.socket.bytesWritten;
      await until(() => sent() > WINDOW);
      for (let i = 0; i < 3; i++) await new Promise((resolve) => session.ping(resolve));
      assert.ok(sent() < WINDOW + (64 << 10), `${sent()} bytes`);
      session.destroy();
    });
  }

  test('stock grpc-js allows 64 KiB: once it can be told, src/grpc/transport/transport.ts can be shorter', async () => {
    const session = await openSession(stockTcp);
    assert.equal(session.remoteSettings.initialWindowSize, 65_535);
    session.destroy();
  });
});

describe('what is not gRPC', () => {
  let server: Server;
  let session: http2.ClientHttp2Session;
  const refused = async (): Promise<number> =>
    (await OPTIONS.metrics.rejections.get()).values.find(({ labels }) => labels.reason === 'not_grpc')
      ?.value ?? 0;

  before(async () => {
    server = unreading(createGrpcServer(OPTIONS, []));
    const port = await bindTcp(server, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
    session = await openSession(`127.0.0.1:${port}`);
  });
  after(() => {
    session.destroy();
    server.forceShutdown();
  });

  for (const [name, headers, status] of [
    ['another method', { ':method': 'GET' }, 405],
    ['another method with a body', { ':method': 'PUT', 'content-type': 'application/grpc' }, 405],
    ['another content type', { ':method': 'POST', 'content-type': 'application/json' }, 415],
    ['gRPC for browsers', { ':method': 'POST', 'content-type': 'application/grpc-web+proto' }, 415],
    ['no content type', { ':method': 'POST' }, 415],
  ] as const) {
    test(`${name} is refused with ${status}, counted, and its body is not read`, async () => {
      const before = await refused();
      const stream = session.request(
        { ':path': contract.energy.ScoreActionsStream.path, ...headers },
        {
          endStream: false,
        },
      );
      stream.on('error', () => undefined);
      stream.write(Buffer.alloc(UPLOAD_BYTES));
      const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      assert.equal(answer[':status'], status);
      stream.resume();
      await once(stream, 'close');
      assert.equal((await refused()) - before, 1);
    });
  }

  test('any format of gRPC is let through to its method', async () => {
    for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8']) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/nowhere/Nothing',
        'content-type': type,
      });
      const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      assert.equal(answer['grpc-status'], '12');
      stream.close();
    }
  });
});

test('a socket file that nobody listens on is taken over, a live one is not', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-transport-'));
  const socket = path.join(directory, 'grpc.sock');
  const first = unreading(createGrpcServer(OPTIONS, []));
  await bindUnix(first, socket);
  const second = unreading(createGrpcServer(OPTIONS, []));
  await assert.rejects(bindUnix(second, socket), /listen\.socket/);
  first.forceShutdown();
  second.forceShutdown();
  await rm(directory, { recursive: true });
});

test('an address in use is named', async () => {
  const first = unreading(createGrpcServer(OPTIONS, []));
  const port = await bindTcp(first, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
  const second = unreading(createGrpcServer(OPTIONS, []));
  await assert.rejects(
    bindTcp(second, { host: '127.0.0.1', port }, ServerCredentials.createInsecure()),
    /listen\.address.*cannot be bound/,
  );
  first.forceShutdown();
  second.forceShutdown();
});
