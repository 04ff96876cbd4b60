/** Where the server is reached, by whom, and over what: sections of the schema. `checks.ts` says what they must hold together. */
import { z } from 'zod';
import { delayMs, meta, path, tcpAddress } from './values.js';

export const listen = z.strictObject({
  address: tcpAddress
    .default('127.0.0.1:50051')
    .meta(meta('address', 'host:port of the gRPC service; port 0 takes a free one; none for no TCP')),
  socket: path.optional().meta(meta('socket', 'Unix socket of the gRPC service, beside or in place of TCP')),
  insecurePublic: z
    .boolean()
    .default(false)
    .meta(
      meta(
        'insecure-public',
        'Allow an address that other machines reach without both TLS and authentication',
      ),
    ),
});

export const tls = z.strictObject({
  cert: path.optional().meta(meta('tls-cert', 'PEM certificate chain of the server')),
  key: path.optional().meta(meta('tls-key', 'PEM private key of the certificate')),
  clientCa: path
    .optional()
    .meta(
      meta(
        'tls-client-ca',
        'PEM authorities of client certificates; given, every client must show one (mutual TLS)',
      ),
    ),
});

export const auth = z.strictObject({
  tokensFile: path
    .optional()
    .meta(
      meta(
        'tokens-file',
        'YAML list of bearer tokens with names and permissions; read again when it changes and on SIGHUP',
      ),
    ),
});

export const keepalive = z.strictObject({
  timeMs: delayMs
    .min(1000)
    .default(60_000)
    .meta(meta('keepalive-time-ms', 'Ping an idle connection this often')),
  timeoutMs: delayMs
    .min(100)
    .default(20_000)
    .meta(meta('keepalive-timeout-ms', 'Close it when the answer takes longer')),
});

export const metrics = z.strictObject({
  address: tcpAddress
    .default('127.0.0.1:9464')
    .meta(meta('metrics-address', 'host:port of HTTP /metrics, /healthz and /readyz; none for none')),
  public: z
    .boolean()
    .default(false)
    .meta(
      meta(
        'metrics-public',
        'Allow a metrics address that other machines reach: anyone there reads it (--insecure-public allows it, too)',
      ),
    ),
});
