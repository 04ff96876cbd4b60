import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { bindTcp, bindUnix, createGrpcServer } from '../../../src/grpc/transport/transport.js';
import { transportOptions } from '../../support/transport.js';
import { contract } from '../../../src/wire/contract.js';

const WINDOW = 16 << 20;
/** A context of 600 bfloat16 tokens, 4096 wide. */
const UPLOAD_BYTES = 600 * 4096 * 2;
const OPTIONS = transportOptions({
  messageBytes: 64 << 20,
  connections: 3,
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
    test(`${name}: a context is sent whole before the server reads a byte of it`, async () => {
      const session = await openSession(address());
      assert.equal(session.remoteSettings.initialWindowSize, WINDOW);
      assert.equal(session.remoteSettings.maxConcurrentStreams, OPTIONS.concurrentStreams);
      assert.equal(session.remoteSettings.maxFrameSize, 1 << 20);
      assert.ok((session.state.remoteWindowSize ?? 0) >= WINDOW);
      const stream = upload(session);
      await new Promise<void>((resolve, reject) => {
        stream.write(Buffer.alloc(UPLOAD_BYTES), (error) => (error ? reject(error) : resolve()));
      });
      assert.ok((session.state.remoteWindowSize ?? 0) <= WINDOW - UPLOAD_BYTES);
      session.destroy();
    });
  }

  test('stock grpc-js allows 64 KiB: once it does better, src/grpc/transport/transport.ts can go', async () => {
    const session = await openSession(stockTcp);
    assert.equal(session.remoteSettings.initialWindowSize, 65_535);
    session.destroy();
  });

  test('connections beyond the cap are closed', async () => {
    const sessions = await Promise.all([tcp, tcp, tcp].map(openSession));
    const refused = http2.connect(`http://${tcp}`);
    await once(refused, 'close').catch(() => undefined);
    assert.ok(refused.destroyed);
    for (const session of sessions) session.destroy();
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
