/**
 * The addresses of the configuration: whether they can be listened on, the listening, and TLS for it. The first is asked before models are loaded,
 * which takes a while, and of all of them at once: two servers on one machine clash on both ports.
 */
import { readFileSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type ListenOptions, type Server as SocketServer } from 'node:net';
import { ServerCredentials, type Server } from '@grpc/grpc-js';
import { hostPort, type HostPort } from '../config/checks.js';
import type { Config } from '../config/schema.js';
import { Fault, invalid } from '../errors.js';

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something listens there already: stop it, or choose another',
  EADDRNOTAVAIL: 'this machine has no such address: choose one of its own',
  ENOTFOUND: 'no such host: choose an address of this machine',
  EACCES: 'not permitted: choose a port from 1024 on, or a folder that this user may write to',
};

/** Errors: `invalid` naming every address that cannot be bound. */
export async function checkAddresses(config: Pick<Config, 'listen' | 'metrics'>): Promise<void> {
  const problems = await unboundAddresses(config);
  if (problems.length > 0) throw new Fault('invalid', problems.join('\n'));
}

/** One sentence for each address that cannot be bound, with its setting and what to do. */
export async function unboundAddresses({
  listen,
  metrics,
}: Pick<Config, 'listen' | 'metrics'>): Promise<string[]> {
  const held: SocketServer[] = [];
  const problems: string[] = [];
  const attempt = async (
    setting: string,
    flag: string,
    found: string,
    where: ListenOptions,
  ): Promise<void> => {
    try {
      held.push(await bound(where));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = WHY[code ?? ''];
      problems.push(
        `${setting} (${flag}): ${found} cannot be listened on: ${why === undefined ? message : `${why} with ${flag}`}`,
      );
    }
  };
  for (const [setting, flag, address] of [
    ['listen.address', '--address', listen.address],
    ['metrics.address', '--metrics-address', metrics.address],
  ] as const) {
    const tcp = hostPort(address);
    if (tcp !== undefined) await attempt(setting, flag, address, { ...tcp, exclusive: true });
  }
  const { socket } = listen;
  if (socket !== undefined && !(await isStaleSocket(socket))) {
    const file = await lstat(socket).catch(() => undefined);
    if (file !== undefined && !file.isSocket()) {
      problems.push(
        `listen.socket (--socket): ${socket} is there and no socket: choose another with --socket`,
      );
    } else await attempt('listen.socket', '--socket', socket, { path: socket });
  }
  for (const server of held) await new Promise((resolve) => server.close(resolve));
  return problems;
}

function bound(where: ListenOptions): Promise<SocketServer> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', reject);
    server.listen(where, () => resolve(server));
  });
}

/** Listens where the configuration says: `host:port`, `unix:/path`. Errors: `invalid` naming the setting. */
export async function listen(
  server: Server,
  { listen: { address, socket } }: Pick<Config, 'listen'>,
  credentials: ServerCredentials,
): Promise<string[]> {
  const addresses: string[] = [];
  const tcp = hostPort(address);
  if (tcp !== undefined) addresses.push(`${bracketed(tcp.host)}:${await bindTcp(server, tcp, credentials)}`);
  if (socket !== undefined) {
    await bindUnix(server, socket);
    addresses.push(`unix:${socket}`);
  }
  return addresses;
}

/** Binds `host:port` and returns the port. Errors name the setting. */
export function bindTcp(
  server: Server,
  { host, port }: HostPort,
  credentials: ServerCredentials,
): Promise<number> {
  return bind(server, `${bracketed(host)}:${port}`, credentials, 'listen.address');
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Binds a Unix socket, taking over a file that a dead server left. Without TLS: nothing leaves the machine. */
export async function bindUnix(server: Server, path: string): Promise<void> {
  if (await isStaleSocket(path)) await unlink(path);
  await bind(server, `unix:${path}`, ServerCredentials.createInsecure(), 'listen.socket');
}

/** True for a socket file on which nobody listens. */
async function isStaleSocket(path: string): Promise<boolean> {
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
