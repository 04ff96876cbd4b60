/**
 * What hostile clients do to a server, one attack after the other, while a bystander's calls must go on: each with what it may
 * cost. `npm run faults` runs them in full, `test/e2e/attacks.test.ts` scaled down.
 */
import http2 from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { EnergyClient } from '../../src/client/energy-client.js';
import { toFault } from '../../src/errors.js';
import { contract } from '../../src/wire/contract.js';
import { bundledRequests, capacity, SERVE_BUNDLED } from './load.js';
import { readMetrics, residentBytes, startServerProcess, type ServerProcess } from './server-process.js';

const MIB = 1024 ** 2;

export interface Scale {
  readonly budgetMiB: number;
  /** Of the uploads that are half sent, and of the messages to a health check. */
  readonly uploads: number;
  readonly uploadMiB: number;
  readonly emptyContexts: number;
  readonly unread: number;
  readonly connections: number;
  readonly cancels: number;
  readonly shortDeadlines: number;
  /** What may stay a minute after it is over. */
  readonly keptMiB: number;
}

export const FULL: Scale = {
  budgetMiB: 256,
  uploads: 64,
  uploadMiB: 50,
  emptyContexts: 11_000_000,
  unread: 800,
  connections: 100,
  cancels: 5_000,
  shortDeadlines: 2_000,
  keptMiB: 96,
};
/** The same against a smaller budget, in seconds. */
export const SHORT: Scale = {
  budgetMiB: 64,
  uploads: 24,
  uploadMiB: 12,
  emptyContexts: 1_000_000,
  unread: 60,
  connections: 40,
  cancels: 1_500,
  shortDeadlines: 200,
  keptMiB: 96,
};

export interface Check {
  readonly done: string;
  readonly bound: string;
  readonly seen: string;
  readonly ok: boolean;
}

/**
 * Beside the budget resident memory holds what the collector has not taken yet, which V8 bounds by the heap's slack, and what
 * the allocator keeps for a while.
 */
const SLACK_MIB = 128;
/** How soon. */
const GIVE_BACK_MS = 60_000;
const STALL_MS = 1_500;

interface Site {
  readonly scale: Scale;
  readonly server: ServerProcess;
  readonly client: EnergyClient;
  readonly connect: (settings?: http2.Settings) => http2.ClientHttp2Session;
}

interface Attack {
  readonly done: string;
  /** Says what it saw beside memory and bystander, and whether that is within its bound. */
  run(site: Site): Promise<{ readonly bound?: string; readonly seen?: string; readonly ok?: boolean }>;
}

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

/** Outcomes by name. */
async function tally(calls: readonly Promise<string>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const outcome of await Promise.all(calls)) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

const kindOf = (calling: Promise<unknown>): Promise<string> =>
  calling.then(
    () => 'ok',
    (error: unknown) => toFault(error).kind,
  );

function attacks(scale: Scale): Attack[] {
  const { uploads, uploadMiB, emptyContexts, unread, connections, cancels, shortDeadlines } = scale;
  const empties = Buffer.alloc(2 * emptyContexts);
  for (let i = 0; i < empties.length; i += 2) empties[i] = 0x12;
  return [
    {
      done: `${emptyContexts / 1e6} million empty contexts in one compressed EnergyMatrix, 20 times`,
      async run({ connect }) {
        const session = connect();
        const bomb = framed(gzipSync(empties), 1);
        for (let i = 0; i < 20; i++) {
          const stream = open(session, contract.energy.EnergyMatrix, { 'grpc-encoding': 'gzip' });
          stream.resume();
          stream.end(bomb);
          await ended(stream);
        }
        return {};
      },
    },
    {
      done: `${uploads} uploads of ${uploadMiB} MiB, half sent`,
      async run({ connect }) {
        const half = framed(Buffer.alloc((uploadMiB * MIB) / 2), 0, uploadMiB * MIB);
        for (let i = 0; i < uploads; i++) open(connect(), contract.energy.ScoreActions).write(half);
        await delay(2 * STALL_MS);
        return {};
      },
    },
    {
      done: `${uploads} TrainStep batches of ${uploadMiB} MiB, half sent, and as many of noise`,
      async run({ connect }) {
        const half = framed(Buffer.alloc((uploadMiB * MIB) / 2), 0, uploadMiB * MIB);
        const noise = framed(Buffer.alloc(MIB, 0xff));
        const session = connect();
        const refused = Array.from({ length: uploads }, () => {
          const stream = open(session, contract.training.TrainStep);
          stream.resume();
          stream.write(noise);
          return ended(stream);
        });
        for (let i = 0; i < uploads; i++) open(connect(), contract.training.TrainStep).write(half);
        await Promise.all([...refused, delay(2 * STALL_MS)]);
        return { bound: 'noise is refused', seen: 'it was' };
      },
    },
    {
      done: `${uploads} uploads in frames of one byte`,
      async run({ connect }) {
        const session = connect();
        for (let i = 0; i < uploads; i++) {
          const stream = open(session, contract.energy.ScoreActions);
          stream.write(framed(Buffer.alloc(0), 0, uploadMiB * MIB));
          for (let j = 0; j < 10_000; j++) stream.write(Buffer.alloc(1));
        }
        await delay(2 * STALL_MS);
        return {};
      },
    },
    {
      done: `${uploads} messages of ${uploadMiB} MiB to a health check`,
      async run({ connect }) {
        const large = framed(Buffer.alloc(uploadMiB * MIB));
        await Promise.all(
          Array.from({ length: uploads }, () => {
            const stream = open(connect(), { path: '/grpc.health.v1.Health/Check' });
            stream.resume();
            stream.end(large);
            return ended(stream);
          }),
        );
        return {};
      },
    },
    {
      done: `${unread} answers to 4,096 candidates that nobody takes`,
      async run({ connect, client }) {
        const requests = await bundledRequests(client, 4_096);
        const message = framed(contract.energy.ScoreActions.requestSerialize(requests.score(0)));
        const session = connect({ initialWindowSize: 0 });
        for (let i = 0; i < unread; i++) {
          const stream = open(session, contract.energy.ScoreActions);
          stream.end(message);
          if (i % 20 === 19) await delay(250); // as they are answered: more at once would be refused
        }
        await delay(2_000);
        return {};
      },
    },
    {
      done: `${connections} connections that answer pings and ask nothing: all that there may be`,
      async run({ connect, server }) {
        for (let i = 0; i < connections; i++) connect().ping(() => undefined);
        await delay(1_500);
        const late = await EnergyClient.open({ address: server.address });
        const outcome = await kindOf(late.getModel('', { timeoutMs: 10_000 }));
        late.close();
        return { bound: 'another client is let in', seen: `it is answered ${outcome}`, ok: outcome === 'ok' };
      },
    },
    {
      done: `${cancels} calls of one connection, cancelled as fast as it can, beside a stream on it`,
      async run({ server }) {
        const stormy = await EnergyClient.open({ address: server.address });
        const requests = await bundledRequests(stormy, 4);
        const stream = stormy.stream();
        await stream.score(requests.score(0));
        let left = cancels;
        const storm = async (): Promise<string[]> => {
          const outcomes: string[] = [];
          while (left-- > 0) {
            const abort = new AbortController();
            setTimeout(() => abort.abort(), 1);
            outcomes.push(await kindOf(stormy.score(requests.score(left), { signal: abort.signal })));
          }
          return outcomes;
        };
        const all = (await Promise.all(Array.from({ length: 16 }, storm))).flat();
        const afterwards = await kindOf(stream.score(requests.score(0)));
        stream.end();
        stormy.close();
        const counts = await tally(all.map((outcome) => Promise.resolve(outcome)));
        const { ok = 0, cancelled = 0, exhausted = 0 } = counts;
        return {
          bound: 'each ends once, the stream goes on',
          seen: `${JSON.stringify(counts)}, the stream is answered ${afterwards}`,
          ok: ok + cancelled + exhausted === cancels && cancelled > 0 && afterwards === 'ok',
        };
      },
    },
    {
      done: `${shortDeadlines} calls with deadlines of 1 to 40 ms`,
      async run({ client }) {
        const requests = await bundledRequests(client);
        const counts = await tally(
          Array.from({ length: shortDeadlines }, (_, i) =>
            kindOf(client.score(requests.score(i), { timeoutMs: 1 + (i % 40), retries: 0 })),
          ),
        );
        const { ok = 0, deadline = 0, exhausted = 0 } = counts;
        return {
          bound: 'each ends once',
          seen: JSON.stringify(counts),
          ok: ok + deadline + exhausted === shortDeadlines && deadline + exhausted > 0,
        };
      },
    },
  ];
}

/** Runs every attack; `onCheck` is told each as it ends. */
export async function runAttacks(scale: Scale, onCheck: (check: Check) => void): Promise<void> {
  const flags = {
    'memory-bytes': scale.budgetMiB * MIB,
    'max-message-bytes': 64 * MIB,
    'stall-ms': STALL_MS,
    'transfer-ms': 4_000,
    'max-connections': scale.connections,
    'max-peer-connections': scale.connections,
  };
  const server = await startServerProcess([
    ...SERVE_BUNDLED,
    '--training',
    ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ]);
  const client = await EnergyClient.open({ address: server.address });
  const sessions: http2.ClientHttp2Session[] = [];
  const site: Site = {
    scale,
    server,
    client,
    connect(settings = {}) {
      // the client itself may queue as much as it likes
      const session = http2.connect(`http://${server.address}`, { settings, maxSessionMemory: 10_000 });
      session.on('error', () => undefined);
      sessions.push(session);
      return session;
    },
  };
  const residentMiB = (): number => residentBytes(server.child.pid!) / MIB;
  await capacity(client, await bundledRequests(client), 16, 2_000); // heap and allocator as under load
  const before = residentMiB();
  const mostMiB = scale.budgetMiB + SLACK_MIB;
  for (const attack of attacks(scale)) {
    let most = 0;
    let waitedMs = 0;
    let lost = 0;
    let over = false;
    const watch = (async () => {
      while (!over) {
        const startMs = performance.now();
        await client.getModel('', { timeoutMs: 30_000 }).catch(() => lost++);
        waitedMs = Math.max(waitedMs, performance.now() - startMs);
        most = Math.max(most, residentMiB());
        await delay(5);
      }
    })();
    const { bound, seen, ok = true } = await attack.run(site);
    over = true;
    await watch;
    for (const session of sessions.splice(0)) session.destroy();
    onCheck({
      done: attack.done,
      bound: `${mostMiB} MiB, the bystander is answered${bound === undefined ? '' : `, ${bound}`}`,
      seen: `${(most - before).toFixed(0)} MiB, it waited ${waitedMs.toFixed(0)} ms at most${lost > 0 ? `, lost ${lost}` : ''}${seen === undefined ? '' : `, ${seen}`}`,
      ok: ok && lost === 0 && most - before <= mostMiB,
    });
  }
  const startMs = performance.now();
  while (residentMiB() - before > scale.keptMiB && performance.now() - startMs < GIVE_BACK_MS)
    await delay(500);
  const kept = residentMiB() - before;
  onCheck({
    done: 'nothing, for a minute at most',
    bound: `${scale.keptMiB} MiB more than before`,
    seen: `${kept.toFixed(0)} MiB after ${((performance.now() - startMs) / 1000).toFixed(0)} s`,
    ok: kept <= scale.keptMiB,
  });
  onCheck(await reconciled(server));
  client.close();
  const { code } = await server.stop();
  onCheck({ done: 'SIGTERM', bound: 'exit code 0', seen: String(code), ok: code === 0 });
}

/** Every call that began has ended in a code, and nothing waits. */
async function reconciled(server: ServerProcess): Promise<Check> {
  let started = 0;
  let handled = 0;
  let waiting = 0;
  for (let attempt = 0; attempt < 50; attempt++) {
    started = handled = waiting = 0;
    for (const [name, value] of await readMetrics(server)) {
      if (name.startsWith('grpc_server_started_total')) started += value;
      if (name.startsWith('grpc_server_handled_total')) handled += value;
      if (name.startsWith('action_energy_queue_depth')) waiting += value;
    }
    if (started === handled && waiting === 0) break;
    await delay(100);
  }
  return {
    done: 'all calls together',
    bound: 'begun = ended in a code, none waits',
    seen: `${started} = ${handled}, ${waiting} wait`,
    ok: started === handled && waiting === 0,
  };
}
