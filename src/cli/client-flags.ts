/** What every `client` subcommand is told: where the server is and how to be let in. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { CallSettings } from '../client/call.js';
import { EnergyClient } from '../client/energy-client.js';
import { invalid } from '../errors.js';
import { parseCount } from './score-flags.js';

export interface ClientFlags {
  address: string;
  tls?: true;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  tokenFile?: string;
  model: string;
  deadlineMs?: number;
}

export function addClientFlags(command: Command): Command {
  return command
    .option('--address <address>', 'HOST:PORT or unix:PATH', '127.0.0.1:50051')
    .option('--model <name>', "model name (default: the server's own)", '')
    .option('--deadline-ms <ms>', 'give up on a call after this long, in the queue as well', parseCount)
    .option('--tls', "TLS, trusting the machine's authorities")
    .option('--tls-ca <file>', 'TLS, trusting the authorities in this PEM file')
    .option('--tls-cert <file>', 'PEM certificate chain of this client (mutual TLS)')
    .option('--tls-key <file>', 'PEM private key of --tls-cert')
    .option('--token-file <file>', 'file that holds a bearer token');
}

/** Runs `use` with a connection and closes it. Errors: flags that contradict each other, and whatever `use` meets. */
export async function withClient<T>(
  flags: ClientFlags,
  use: (client: EnergyClient) => Promise<T>,
): Promise<T> {
  const { address, tls, tlsCa, tlsCert, tlsKey, tokenFile } = flags;
  const secure = [tls, tlsCa, tlsCert, tlsKey].some((flag) => flag !== undefined);
  const client = await EnergyClient.open({
    address,
    ...(secure && {
      tls: {
        ...(tlsCa === undefined ? {} : { caFile: tlsCa }),
        ...(tlsCert === undefined ? {} : { certFile: tlsCert }),
        ...(tlsKey === undefined ? {} : { keyFile: tlsKey }),
      },
    }),
    ...(tokenFile === undefined ? {} : { token: await readToken(tokenFile) }),
  });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** A server that does not answer at all must not hang a command for ever. */
const DEFAULT_TIMEOUT_MS = 60_000;

export function callSettings({ deadlineMs = DEFAULT_TIMEOUT_MS }: ClientFlags): CallSettings {
  return { timeoutMs: deadlineMs };
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw invalid('--token-file', 'cannot be read', { found: (cause as Error).message, cause });
  }
}
