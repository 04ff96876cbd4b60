/** What hostile clients do to a server, one after the other, and what it must not cost: the second part of `npm run faults`. */
import http2 from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { EnergyClient } from '../src/client/energy-client.js';
import { contract } from '../src/wire/contract.js';
import { SERVE_BUNDLED } from '../test/support/load.js';
import { readMetrics, residentBytes, startServerProcess } from '../test/support/server-process.js';

const MIB = 1024 ** 2;
const BUDGET_MIB = 256;
/** Beside the budget: windows, and what the allocator and the collector keep for a while. */
const MOST_GROWTH_MIB = 2 * BUDGET_MIB;

export type Check = readonly [name: string, found: string, ok: boolean];

function framed(bytes: Buffer, flag = 0, length = bytes.byteLength): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag, 0);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, bytes]);
}

function open(
  session: http2.ClientHttp2Session,
  method: { readonly path: string },
  headers: http2.OutgoingHttpHeaders = {},
): http2.ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': method.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  return stream;
}

/** Its answer has come, or it is gone: Node closes a stream only when it has written all. */
function ended(stream: http2.ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('end', () => resolve());
    stream.once('close', () => resolve());
  });
}

/** Each attack, while another client goes on scoring nothing: its `GetModel` must answer all the time. */
export async function hostileChecks(): Promise<Check[]> {
  const server = await startServerProcess([
    ...SERVE_BUNDLED,
    ...['--memory-bytes', String(BUDGET_MIB * MIB), '--stall-ms', '2000', '--transfer-ms', '4000'],
  ]);
  const client = await EnergyClient.open({ address: server.address });
  const sessions: http2.ClientHttp2Session[] = [];
  const connect = (settings: http2.Settings = {}): http2.ClientHttp2Session => {
    const session = http2.connect(`http://${server.address}`, { settings });
    session.on('error', () => undefined);
    sessions.push(session);
    return session;
  };
  const before = residentBytes(server.child.pid!);
  /** Largest resident memory while `attack` runs, and the longest that a bystander waited. */
  const during = async (attack: () => Promise<void>): Promise<{ grownMiB: number; waitedMs: number }> => {
    let most = 0;
    let waitedMs = 0;
    let over = false;
    const watch = (async () => {
      while (!over) {
        const startMs = performance.now();
        await client.getModel('', { retries: 0 });
        waitedMs = Math.max(waitedMs, performance.now() - startMs);
        most = Math.max(most, residentBytes(server.child.pid!));
        await delay(2);
      }
    })();
    await attack();
    over = true;
    await watch;
    for (const session of sessions.splice(0)) session.destroy();
    return { grownMiB: (most - before) / MIB, waitedMs };
  };
  const checks: Check[] = [];
  const record = (name: string, { grownMiB, waitedMs }: { grownMiB: number; waitedMs: number }): void => {
    checks.push([
      name,
      `${grownMiB.toFixed(0)} MiB more, a bystander waited ${waitedMs.toFixed(0)} ms at most`,
      grownMiB <= MOST_GROWTH_MIB,
    ]);
  };

  const empties = Buffer.alloc(22_000_000);
  for (let i = 0; i < empties.length; i += 2) empties[i] = 0x12;
  const bomb = framed(gzipSync(empties), 1);
  record(
    `11 million empty contexts in ${(bomb.byteLength / 1024).toFixed(0)} KB, 20 times`,
    await during(async () => {
      const session = connect();
      for (let i = 0; i < 20; i++) {
        const stream = open(session, contract.energy.EnergyMatrix, { 'grpc-encoding': 'gzip' });
        stream.resume();
        stream.end(bomb);
        await ended(stream);
      }
    }),
  );
  record(
    '64 uploads of 50 MB, half sent',
    await during(async () => {
      const half = Buffer.alloc(25 * MIB);
      for (let i = 0; i < 64; i++) {
        open(connect(), contract.energy.ScoreActions).write(framed(half, 0, 50 * MIB));
      }
      await delay(6_000);
    }),
  );
  record(
    '48 messages of 50 MB to a health check',
    await during(async () => {
      const large = framed(Buffer.alloc(50 * MIB));
      const health = { path: '/grpc.health.v1.Health/Check' };
      await Promise.all(
        Array.from({ length: 48 }, () => {
          const stream = open(connect(), health);
          stream.resume();
          stream.end(large);
          return ended(stream);
        }),
      );
    }),
  );
  record(
    '400 answers that nobody takes',
    await during(async () => {
      const session = connect({ initialWindowSize: 0 });
      for (let i = 0; i < 400; i++) open(session, contract.energy.ListModels).end(framed(Buffer.alloc(0)));
      await delay(6_000);
    }),
  );
  await delay(1_000);
  const { values } = { values: await readMetrics(server) };
  const depth = [...values].find(([name]) => name.startsWith('action_energy_queue_depth'))?.[1];
  checks.push(['queue empty afterwards', String(depth), depth === 0]);
  client.close();
  const { code } = await server.stop();
  checks.push(['exit code', String(code), code === 0]);
  return checks;
}
