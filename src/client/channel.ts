/** How a client reaches a server: address, credentials and the channel's options. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { credentials, Metadata, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { invalid } from '../errors.js';

export interface TlsFiles {
  /** PEM authorities that sign the server; absent: those of the machine. */
  readonly caFile?: string;
  /** PEM chain and key of the client, for mutual TLS; both or neither. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface ChannelTarget {
  /** `host:port`, or `unix:PATH`. */
  readonly address: string;
  /** Absent: no TLS. */
  readonly tls?: TlsFiles;
  /** Bearer token, sent with every call. Without TLS it goes in the clear: loopback and Unix sockets only. */
  readonly token?: string;
}

/** Of a connection and of each call: what the server may send ahead. Answers are small, matrices are not. */
const RECEIVE_WINDOW_BYTES = 1 << 20;

const CHANNEL_OPTIONS: ChannelOptions = {
  // The server's limits count; a matrix may be larger than the default 4 MiB.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc-node.flow_control_window': RECEIVE_WINDOW_BYTES,
  // A retry inside the channel keeps a copy of every message; this client tries again by itself, when it was told to.
  'grpc.enable_retries': 0,
  // One connection a client: closing one cannot disturb another.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  // A server that restarts is found again within this bound.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

/**
 * grpc-js 1.14.7 sends the host of the address as TLS server name. An IP must not be one (RFC 6066, 3), and Node 26 refuses it:
 * this goes in its place, and the certificate is checked against the IP.
 */
const NAME_OF_AN_IP = 'ip-address.invalid';

export interface ChannelParts {
  readonly address: string;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  /** What goes with every call. */
  readonly metadata: Metadata;
}

/** Errors: an address that is none, a PEM file that cannot be read, half a client certificate. */
export async function channelParts({ address, tls, token }: ChannelTarget): Promise<ChannelParts> {
  if (!/^(unix:.+|\[[0-9A-Fa-f:.]+\]:\d{1,5}|[^\s:[\]/]+:\d{1,5})$/.test(address)) {
    throw invalid('address', 'not an address', { found: address, wanted: 'HOST:PORT or unix:PATH' });
  }
  const metadata = new Metadata();
  if (token !== undefined) {
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw invalid('token', 'not a token', { wanted: 'printable characters without spaces' });
    }
    metadata.set('authorization', `Bearer ${token}`);
  }
  return {
    address,
    credentials: tls === undefined ? credentials.createInsecure() : await tlsCredentials(tls, ipOf(address)),
    options:
      tls === undefined || ipOf(address) === undefined
        ? CHANNEL_OPTIONS
        : { ...CHANNEL_OPTIONS, 'grpc.ssl_target_name_override': NAME_OF_AN_IP },
    metadata,
  };
}

/** The address where it is an IP; a certificate must then name it. */
function ipOf(address: string): string | undefined {
  const host = /^\[?(.*?)\]?:\d+$/.exec(address)?.[1] ?? '';
  return isIP(host) === 0 ? undefined : host;
}

async function tlsCredentials(
  { caFile, certFile, keyFile }: TlsFiles,
  ip: string | undefined,
): Promise<ChannelCredentials> {
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw invalid('tls', 'half of a client certificate', {
      found: certFile === undefined ? 'a key' : 'a certificate',
      wanted: 'both or neither',
    });
  }
  const [ca = null, key = null, cert = null] = await Promise.all([caFile, keyFile, certFile].map(readPem));
  return credentials.createSsl(
    ca,
    key,
    cert,
    ip === undefined
      ? {}
      : { checkServerIdentity: (_name, certificate) => checkServerIdentity(ip, certificate) },
  );
}

async function readPem(file: string | undefined): Promise<Buffer | null> {
  if (file === undefined) return null;
  try {
    return await readFile(file);
  } catch (cause) {
    throw invalid(file, 'cannot be read', { found: (cause as Error).message, wanted: 'a PEM file', cause });
  }
}
