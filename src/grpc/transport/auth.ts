/** Who calls, and may they: by token, by certificate, or by connection. */
import type { Metadata, ServerInterceptingCall } from '@grpc/grpc-js';
import { Fault } from '../../errors.js';
import type { Caller } from '../../serving/scope.js';
import type { TokenStore } from '../../serving/token-store.js';
import type { MethodRule } from './method-rule.js';

/**
 * Without `tokens` everybody may do everything that reaches the server (loopback, or mutual TLS). Errors:
 * `unauthenticated`, `denied`.
 */
export function authenticate(
  tokens: TokenStore | undefined,
  { permission }: MethodRule,
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
