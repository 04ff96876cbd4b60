/**
 * The first of a server's interceptors: it alone meets the call that reads from the wire, and gives it what grpc-js has no
 * setting for: how messages are put together (`receive.ts`), and a peer that has a name on a Unix socket, too.
 *
 * It reaches for two fields of grpc-js 1.14.7's server calls. `test/unit/grpc/receive.test.ts` and
 * `test/integration/service-lifecycle.test.ts` fail when an update moves them.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { Fault } from '../../errors.js';
import { MessageAssembler } from './receive.js';

/** The part of grpc-js's innermost server call that its types hide. */
interface CallInternals {
  decoder?: { write(chunk: Buffer): Buffer[] };
  readonly stream?: ServerHttp2Stream;
}

/** A call that knows its peer even where the socket has no address. */
class NamedCall extends ServerInterceptingCall {
  readonly #peer: string;

  constructor(call: ConstructorParameters<typeof ServerInterceptingCall>[0], peer: string) {
    super(call);
    this.#peer = peer;
  }

  override getPeer(): string {
    return this.#peer;
  }
}

export function wireCalls(messageBytes: number): ServerInterceptor {
  /** Connections without an address, numbered as they first call. */
  const numbers = new WeakMap<object, number>();
  let connections = 0;
  return (_method, call) => {
    const internals = call as CallInternals;
    const { stream } = internals;
    if (internals.decoder === undefined || stream === undefined) {
      throw new Fault('internal', 'this version of grpc-js hides how its server reads messages');
    }
    internals.decoder = new MessageAssembler(messageBytes);
    const { session } = stream;
    if (session === undefined || session.socket.remoteAddress !== undefined) {
      return new ServerInterceptingCall(call);
    }
    const number = numbers.get(session) ?? ++connections;
    numbers.set(session, number);
    return new NamedCall(call, `unix:${number}`);
  };
}
