/** Who calls, and may they: decided on the headers, before a byte of the message is read. */
import {
  ServerInterceptingCall,
  ServerListenerBuilder,
  type Metadata,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { Fault, toFault } from '../../errors.js';
import { ADMIN_SERVICE, CALIBRATION_SERVICE, ENERGY_SERVICE } from '../../wire/contract.js';
import { callStatus } from './status.js';
import { requestIdOf } from './request-id.js';
import type { Permission, TokenStore } from '../../serving/tokens.js';

export interface Caller {
  /** Fairness key of the queue. */
  readonly client: string;
  /** Owner of kept contexts; undefined where nobody is told apart. */
  readonly owner?: string;
}

/** Callers by the metadata object of their call, which grpc-js hands on to the handler. */
export type Callers = WeakMap<Metadata, Caller>;

const HEALTH_PREFIX = '/grpc.health.v1.Health/';

/** What a method needs: nothing for health (probes have no tokens), any token for reflection. */
function permissionFor(path: string): Permission | 'any' | undefined {
  if (path.startsWith(HEALTH_PREFIX)) return undefined;
  if (path.startsWith(`/${ENERGY_SERVICE}/`)) return 'score';
  if (path.startsWith(`/${ADMIN_SERVICE}/`)) return 'admin';
  if (path.startsWith(`/${CALIBRATION_SERVICE}/`)) return 'calibrate';
  return 'any';
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

/** Without `tokens` everybody may do everything that reaches the server (loopback, or mutual TLS). */
export function authInterceptor(tokens: TokenStore | undefined, callers: Callers): ServerInterceptor {
  const admit = (path: string, metadata: Metadata, anonymous: Caller): Caller => {
    const needed = permissionFor(path);
    if (tokens === undefined || needed === undefined) return anonymous;
    const holder = tokens.find(bearerToken(metadata));
    if (holder === undefined) {
      throw new Fault('unauthenticated', 'unknown token', { field: 'authorization' });
    }
    if (needed !== 'any' && !holder.permissions.has(needed)) {
      throw new Fault('denied', `this token may not ${needed}`, {
        found: `${holder.name}: ${[...holder.permissions].join(', ')}`,
        wanted: needed,
      });
    }
    return { client: `token:${holder.name}`, owner: `token:${holder.name}` };
  };
  return (method, call) =>
    new ServerInterceptingCall(call, {
      start(next) {
        const listener = new ServerListenerBuilder()
          .withOnReceiveMetadata((metadata, proceed) => {
            try {
              callers.set(metadata, admit(method.path, metadata, anonymousCaller(call)));
            } catch (error) {
              call.sendStatus(callStatus(toFault(error), requestIdOf(metadata)));
              return;
            }
            proceed(metadata);
          })
          .build();
        next(listener);
      },
    });
}

/** By certificate where there is one, else by connection. */
function anonymousCaller(call: Pick<ServerInterceptingCall, 'getPeer' | 'getAuthContext'>): Caller {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (certificate === undefined) return { client: `peer:${call.getPeer()}` };
  const client = `certificate:${certificate.fingerprint256}`;
  return { client, owner: client };
}
