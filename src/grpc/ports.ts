/**
 * Whether the addresses of the configuration can be listened on. Asked before models are loaded, which takes a while, and of all of
 * them at once: two servers on one machine clash on both ports.
 */
import { lstat } from 'node:fs/promises';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { hostPort } from '../config/checks.js';
import type { Config } from '../config/schema.js';
import { isStaleSocket } from './transport/transport.js';

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something listens there already: stop it, or choose another',
  EADDRNOTAVAIL: 'this machine has no such address: choose one of its own',
  ENOTFOUND: 'no such host: choose an address of this machine',
  EACCES: 'not permitted: choose a port from 1024 on, or a folder that this user may write to',
};

/** One sentence for each address that cannot be bound, with its setting and what to do. */
export async function unboundAddresses({
  listen,
  metrics,
}: Pick<Config, 'listen' | 'metrics'>): Promise<string[]> {
  const held: Server[] = [];
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

function bound(where: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', reject);
    server.listen(where, () => resolve(server));
  });
}
