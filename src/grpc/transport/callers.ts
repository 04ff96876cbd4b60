/** Who calls, what they may, and their calls as the metric counts them. */
import { status as Code, type Metadata, type ServerInterceptingCall } from '@grpc/grpc-js';
import { Fault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { Caller } from '../../serving/scope.js';
import type { Permission, TokenStore } from '../../serving/token-store.js';

/** Callers by the metadata object of their call, which grpc-js hands on to the handler; the gate notes them. */
export type Callers = WeakMap<Metadata, Caller>;

/** Errors: `internal` for a call that came past the gate. Nobody is served without a name. */
export function callerOf(callers: Callers, metadata: Metadata): Caller {
  const caller = callers.get(metadata);
  if (caller === undefined)
    throw new Fault('internal', 'a call came past the gate: nobody knows whose it is');
  return caller;
}

/**
 * Who calls, and may they: by token, by certificate, or by connection. Without `tokens` everybody may do everything that
 * reaches the server (loopback, or mutual TLS). Errors: `unauthenticated`, `denied`.
 */
export function authenticate(
  tokens: TokenStore | undefined,
  permission: Permission | 'any' | 'none',
  metadata: Metadata,
  call: Pick<ServerInterceptingCall, 'getPeer' | 'getAuthContext'>,
): Caller {
  if (tokens === undefined || permission === 'none') return anonymousCaller(call);
  const holder = tokens.find(bearerToken(metadata));
  if (holder === undefined) throw new Fault('unauthenticated', 'unknown token', { field: 'authorization' });
  if (permission !== 'any' && !holder.permissions.has(permission)) {
    throw new Fault('denied', `this token may not ${permission}`, {
      found: `${holder.name}: ${[...holder.permissions].join(', ')}`,
      wanted: permission,
    });
  }
  return { client: `token:${holder.name}`, owner: `token:${holder.name}` };
}

function bearerToken(metadata: Metadata): string {
  const [header] = metadata.get('authorization');
  const token = typeof header === 'string' ? /^bearer +(\S+)$/i.exec(header)?.[1] : undefined;
  if (token !== undefined) return token;
  throw new Fault('unauthenticated', 'no bearer token', {
    field: 'authorization',
    found: header === undefined ? 'no such header' : 'another scheme',
    wanted: 'Bearer TOKEN',
  });
}

/** By certificate where there is one, else by connection. */
function anonymousCaller(call: Pick<ServerInterceptingCall, 'getPeer' | 'getAuthContext'>): Caller {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (certificate === undefined) return { client: `peer:${call.getPeer()}` };
  const client = `certificate:${certificate.fingerprint256}`;
  return { client, owner: client };
}

/** Names of tokens; those who come after share one. */
const MOST_NAMES = 64;

/** Calls by client, as their metric counts them: few names, whoever calls. */
export class ClientCalls {
  readonly #metrics: Pick<Metrics, 'clientCalls'>;
  readonly #names = new Set<string>();

  constructor(metrics: Pick<Metrics, 'clientCalls'>) {
    this.#metrics = metrics;
  }

  /** Of a caller's `client`; returns what counts the end of its call, once. */
  begin(client: string): (code: Code) => void {
    const name = this.#nameOf(client);
    let open = true;
    return (code) => {
      if (open) this.#metrics.clientCalls.inc({ client: name, grpc_code: Code[code] });
      open = false;
    };
  }

  /** `token:NAME` is told apart by its name; certificates and connections are without number. */
  #nameOf(client: string): string {
    const [kind, ...rest] = client.split(':');
    if (kind !== 'token') return kind === 'certificate' ? kind : 'anonymous';
    const name = rest.join(':');
    if (!this.#names.has(name) && this.#names.size >= MOST_NAMES) return 'other';
    this.#names.add(name);
    return name;
  }
}
