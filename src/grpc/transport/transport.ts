/**
 * The gRPC server's HTTP/2 side: windows, caps and keepalive, and what is refused before it is a call. grpc-js 1.14.7 has no
 * setting for these (`grpc-node.flow_control_window` is read on the client only, grpc/grpc-node pull request 3058), so this
 * file reaches for what its server hides: the options of its HTTP/2 servers, the making of each, and the beginning of each
 * stream. `test/unit/grpc/transport.test.ts` fails when an update moves them.
 */
import {
  constants,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import { Server, type ServerCredentials, type ServerInterceptor } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { Fault } from '../../errors.js';
import { Connections, type ConnectionsOptions } from './connections.js';
import { RESET_OPTIONS } from './resets.js';
import { WireCalls, type WireOptions } from './wire-calls.js';

/**
 * Clients on gRPC's C core (Python, C++) then send 5 MB in 5 frames, not in 300 that are each handled alone; those on Node
 * stay at 16 KiB. Not more: a frame holds up the other calls of its connection while it comes, 8 ms on a gigabit network.
 */
const MAX_FRAME_BYTES = 1 << 20;
/** Of a connection: what lies between two turns of the server on a fast link. Node gives it back at once; a call's window bounds. */
const CONNECTION_WINDOW_BYTES = 16 << 20;
/** Of one call, as gRPC's C core has it. */
const MAX_HEADER_BYTES = 16 * 1024;
export interface TransportOptions
  extends Omit<WireOptions, 'windowBytes'>, Omit<ConnectionsOptions, 'clock'> {
  readonly metrics: WireOptions['metrics'] & ConnectionsOptions['metrics'];
  readonly concurrentStreams: number;
  /** Of each call, at most: what its client may send ahead of what is read. */
  readonly receiveWindowBytes: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
}

type StreamHandler = (extra: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** The part of grpc-js's server that its types hide. */
interface ServerInternals {
  commonServerOptions?: ServerOptions;
  createHttp2Server?: (credentials: ServerCredentials) => Http2Server;
  _streamHandler?: StreamHandler;
}

export function createGrpcServer(options: TransportOptions, interceptors: ServerInterceptor[]): Server {
  const windowBytes = windowOf(options);
  const server = new Server({
    'grpc.max_receive_message_length': options.messageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': options.concurrentStreams,
    'grpc.keepalive_time_ms': options.keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs,
    'grpc.enable_channelz': 0,
    interceptors: [new WireCalls({ ...options, windowBytes }).interceptor, ...interceptors],
  });
  const internals = server as unknown as ServerInternals;
  const create = internals.createHttp2Server?.bind(server);
  const begin = internals._streamHandler?.bind(server);
  if (internals.commonServerOptions === undefined || create === undefined || begin === undefined) {
    throw new Fault('internal', 'this version of grpc-js hides its HTTP/2 servers: windows cannot be set');
  }
  Object.assign(internals.commonServerOptions, RESET_OPTIONS);
  internals.commonServerOptions.settings = {
    ...internals.commonServerOptions.settings,
    initialWindowSize: windowBytes,
    maxFrameSize: MAX_FRAME_BYTES,
    maxHeaderListSize: MAX_HEADER_BYTES,
  };
  internals._streamHandler = (extra, stream, headers) => {
    const refusal = refusalOf(headers);
    if (refusal === undefined) return begin(extra, stream, headers);
    options.metrics.rejections.inc({ model: '', reason: 'not_grpc' });
    stream.on('error', () => undefined);
    stream.respond(refusal, { endStream: true });
    // in a turn of its own, or it overtakes the answer
    setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
  };
  const connections = new Connections({ ...options, clock: systemClock });
  internals.createHttp2Server = (credentials) => {
    const http2Server = create(credentials);
    connections.watch(http2Server);
    http2Server.on('session', (session: ServerHttp2Session) => {
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    });
    return http2Server;
  };
  return server;
}

/** HTTP/2's least; and so many uploads at least may wait within what the budget has for what is sent ahead. */
const LEAST_WINDOW_BYTES = 65_535;
const MOST_WAITING = 64;

function windowOf({ receiveWindowBytes, budget }: TransportOptions): number {
  return Math.max(
    LEAST_WINDOW_BYTES,
    Math.min(receiveWindowBytes, Math.floor(budget.aheadLimit / MOST_WAITING)),
  );
}

/** What gRPC over HTTP/2 is not: another method than POST, another content type than `application/grpc[+format]`. */
function refusalOf(headers: IncomingHttpHeaders): Record<string, string | number> | undefined {
  if (headers[':method'] !== 'POST') return { ':status': 405, allow: 'POST' };
  const type = headers['content-type'] ?? '';
  return /^application\/grpc(?:$|[+;])/.test(type) ? undefined : { ':status': 415 };
}
