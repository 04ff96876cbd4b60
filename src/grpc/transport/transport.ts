/**
 * The gRPC server's HTTP/2 side: receive windows, caps and keepalive.
 *
 * With HTTP/2's default window of 64 KiB a client of a 5 MB request stops 75 times to wait for permission to go on; with
 * 16 MiB it never does. grpc-js 1.14.7 reads `grpc-node.flow_control_window` on the client only (grpc/grpc-node pull request
 * 3058), so this file reaches for two things inside its server: the options that its HTTP/2 servers are made with, and
 * the making of each, where sessions can be met. `test/unit/grpc/transport.test.ts` fails when an update moves them.
 */
import { lstat, unlink } from 'node:fs/promises';
import type { ServerHttp2Session } from 'node:http2';
import { connect, type Server as NetServer, type Socket } from 'node:net';
import { Server, ServerCredentials, type ServerInterceptor } from '@grpc/grpc-js';
import { Fault } from '../../errors.js';
import type { HostPort } from '../../config/checks.js';
import { PeerConnections } from './peer-connections.js';
import { ReceiveWindows } from './receive-windows.js';
import { WireCalls, type WireOptions } from './wire-calls.js';

/**
 * Clients on gRPC's C core (Python, C++) then send 5 MB in 5 frames, not in 300 that are each handled alone; those on Node
 * stay at 16 KiB. Not more: a frame holds up the other calls of its connection while it comes, 8 ms on a gigabit network.
 */
const MAX_FRAME_BYTES = 1 << 20;

export interface TransportOptions extends WireOptions {
  readonly connections: number;
  readonly concurrentStreams: number;
  /** A connection without a call for this long is closed. */
  readonly connectionIdleMs: number;
  /** Connections of one address. */
  readonly peerConnections: number;
  /** Of each connection and of each call. */
  readonly receiveWindowBytes: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** The part of grpc-js's server that its types hide. */
interface ServerInternals {
  commonServerOptions?: { settings?: { initialWindowSize?: number; maxFrameSize?: number } };
  createHttp2Server?: (credentials: ServerCredentials) => NetServer;
}

export function createGrpcServer(options: TransportOptions, interceptors: ServerInterceptor[]): Server {
  const server = new Server({
    'grpc.max_receive_message_length': options.messageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': options.concurrentStreams,
    'grpc.keepalive_time_ms': options.keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs,
    'grpc.max_connection_idle_ms': options.connectionIdleMs,
    'grpc.enable_channelz': 0,
    interceptors: [new WireCalls(options).interceptor, ...interceptors],
  });
  const internals = server as unknown as ServerInternals;
  const create = internals.createHttp2Server?.bind(server);
  if (internals.commonServerOptions === undefined || create === undefined) {
    throw new Fault(
      'internal',
      'this version of grpc-js hides its HTTP/2 servers: receive windows cannot be set',
    );
  }
  internals.commonServerOptions.settings = {
    ...internals.commonServerOptions.settings,
    initialWindowSize: options.receiveWindowBytes,
    maxFrameSize: MAX_FRAME_BYTES,
  };
  const windows = new ReceiveWindows(options.receiveWindowBytes, options.budget.limit);
  const peers = new PeerConnections(options.peerConnections);
  internals.createHttp2Server = (credentials) => {
    const http2Server = create(credentials);
    http2Server.maxConnections = options.connections;
    http2Server.on('connection', (socket: Socket) => peers.admit(socket));
    http2Server.on('session', (session: ServerHttp2Session) => windows.add(session));
    return http2Server;
  };
  return server;
}

/** Binds `host:port` and returns the port. Errors name the setting. */
export function bindTcp(
  server: Server,
  { host, port }: HostPort,
  credentials: ServerCredentials,
): Promise<number> {
  return bind(
    server,
    host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    credentials,
    'listen.address',
  );
}

/** Binds a Unix socket, taking over a file that a dead server left. Without TLS: nothing leaves the machine. */
export async function bindUnix(server: Server, path: string): Promise<void> {
  if (await isStaleSocket(path)) await unlink(path);
  await bind(server, `unix:${path}`, ServerCredentials.createInsecure(), 'listen.socket');
}

/** True for a socket file on which nobody listens. */
export async function isStaleSocket(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() !== true) return false;
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

function bind(
  server: Server,
  address: string,
  credentials: ServerCredentials,
  field: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (cause, port) => {
      if (cause === null) resolve(port);
      else
        reject(
          new Fault('invalid', 'cannot be bound', { field, found: `${address}: ${cause.message}`, cause }),
        );
    });
  });
}
