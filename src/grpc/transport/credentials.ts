/** TLS and mutual TLS from files. */
import { readFileSync } from 'node:fs';
import { ServerCredentials } from '@grpc/grpc-js';
import type { Config } from '../../config/schema.js';
import { invalid } from '../../errors.js';

function read(field: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw invalid(field, 'cannot be read', { found: (cause as Error).message, wanted: 'a PEM file', cause });
  }
}

/** Errors: `invalid` naming the file that cannot be used. */
export function serverCredentials({ cert, key, clientCa }: Config['tls']): ServerCredentials {
  if (cert === undefined || key === undefined) return ServerCredentials.createInsecure();
  const pair = { cert_chain: read('tls.cert', cert), private_key: read('tls.key', key) };
  const ca = clientCa === undefined ? null : read('tls.clientCa', clientCa);
  try {
    return ServerCredentials.createSsl(ca, [pair], ca !== null);
  } catch (cause) {
    throw invalid('tls', 'certificate and key cannot be used', { found: (cause as Error).message, cause });
  }
}
