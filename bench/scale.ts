/**
 * `npm run scale [-- --robots 50 --period-ms 100 --contexts 3000 --gone-ms 5000]`: three servers behind a real Envoy with the configuration that is deployed, and
 * robots that keep contexts. Under load one server is killed and started again: no request may be lost beyond the robots' own retries,
 * lost contexts are sent again, and before and after the servers share the load within 10 percent. Exit code 1 when not.
 */
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { formatTable } from '../src/cli/output.js';
import { EnergyClient } from '../src/client/energy-client.js';
import { startEnvoy, type Envoy } from '../test/support/envoy.js';
import { SERVE_BUNDLED } from '../test/support/load.js';
import { runRobots, type Tally } from '../test/support/robots.js';
import { readMetrics, startServerProcess, type ServerProcess } from '../test/support/server-process.js';

const { values: flags } = parseArgs({
  options: {
    robots: { type: 'string', default: '50' },
    'period-ms': { type: 'string', default: '100' },
    contexts: { type: 'string', default: '3000' },
    'gone-ms': { type: 'string', default: '5000' },
  },
});
/** Chance alone makes shares of 3000 contexts differ by some 4 percent, hardly ever by 10. */
const CONTEXTS = Number(flags.contexts);
const GONE_MS = Number(flags['gone-ms']);
const SERVERS = 3;
const KILLED = 1;
/** Connections: as if of so many policy servers. */
const CLIENTS = 4;
const REQUESTS_PER_CONTEXT = 2;
/** Between the fullest and the emptiest server, of their mean. */
const MOST_SPREAD = 0.1;

/** Behind a proxy all calls without a token come from one address: its share of the queue is all of it. */
const SERVE = [...SERVE_BUNDLED, '--quality-share', '0', '--queue-client-share', '1'];

/** Answered ScoreActions of each server; one that is gone has none. */
async function answered(servers: readonly ServerProcess[]): Promise<number[]> {
  return Promise.all(
    servers.map(async (server) => {
      const metrics = await readMetrics(server).catch(() => new Map<string, number>());
      for (const [name, value] of metrics) {
        if (/^grpc_server_handled_total\{.*"ScoreActions",grpc_code="OK"/.test(name)) return value;
      }
      return 0;
    }),
  );
}

interface Phase {
  readonly name: string;
  readonly tally: Tally;
  readonly byServer: readonly number[];
  /** Undefined where servers came and went. */
  readonly spread: number | undefined;
}

async function phase(
  name: string,
  servers: ServerProcess[],
  clients: readonly EnergyClient[],
  meanwhile?: () => Promise<void>,
): Promise<Phase> {
  const before = await answered(servers);
  const robots = {
    robots: Number(flags.robots),
    periodMs: Number(flags['period-ms']),
    requestsPerContext: REQUESTS_PER_CONTEXT,
  };
  let happened = false;
  const event = meanwhile?.().then(() => (happened = true));
  const over = (contexts: number): boolean => (event === undefined ? contexts >= CONTEXTS : happened);
  const [tally] = await Promise.all([runRobots(clients, { ...robots, over }), event]);
  // the killed one counts anew
  const byServer = (await answered(servers)).map((count, i) =>
    count >= before[i]! ? count - before[i]! : count,
  );
  const mean = byServer.reduce((sum, count) => sum + count, 0) / byServer.length;
  const spread = (Math.max(...byServer) - Math.min(...byServer)) / mean;
  return { name, tally, byServer, spread: meanwhile === undefined ? spread : undefined };
}

async function run(
  servers: ServerProcess[],
  envoy: Envoy,
  clients: readonly EnergyClient[],
): Promise<Phase[]> {
  const kill = async (): Promise<void> => {
    await delay(GONE_MS);
    const { child, address, exited } = servers[KILLED]!;
    child.kill('SIGKILL');
    await exited;
    process.stderr.write('one server was killed\n');
    await delay(GONE_MS);
    servers[KILLED] = await startServerProcess([...SERVE, '--address', address]);
    while ((await envoy.healthy()) < SERVERS) await delay(50);
    process.stderr.write('it is back\n');
    await delay(GONE_MS);
  };
  return [
    await phase('all three', servers, clients),
    await phase('one killed and started again', servers, clients, kill),
    await phase('all three again', servers, clients),
  ];
}

function problemsOf(phases: readonly Phase[]): string[] {
  const problems: string[] = [];
  for (const { name, tally, byServer, spread } of phases) {
    const [example] = tally.lost;
    if (example !== undefined) problems.push(`${name}: ${tally.lost.length} requests lost, e.g. ${example}`);
    if (spread !== undefined && spread > MOST_SPREAD) {
      problems.push(`${name}: the servers differ by ${(100 * spread).toFixed(1)} percent`);
    }
    if (spread === undefined && tally.resent === 0) problems.push(`${name}: no context was sent again`);
    if (byServer.includes(0)) problems.push(`${name}: a server got nothing`);
    if (spread !== undefined && name === 'all three' && tally.resent > 0) {
      problems.push(`${name}: ${tally.resent} contexts were not where the proxy sent their robots`);
    }
  }
  return problems;
}

const servers = await Promise.all(Array.from({ length: SERVERS }, () => startServerProcess(SERVE)));
try {
  const envoy = await startEnvoy(servers.map(({ address }) => address));
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => EnergyClient.open({ address: envoy.address })),
  );
  try {
    const phases = await run(servers, envoy, clients);
    const table = formatTable(
      [
        '',
        'answered',
        'tried again',
        'contexts sent again',
        'lost',
        ...servers.map((_, i) => `server ${i + 1}`),
        'spread',
      ],
      phases.map(({ name, tally, byServer, spread }) => [
        name,
        ...[tally.answered, tally.retried, tally.resent, tally.lost.length, ...byServer].map(String),
        spread === undefined ? '' : `${(100 * spread).toFixed(1)} %`,
      ]),
      ['left', ...Array<'right'>(5 + SERVERS).fill('right')],
    );
    process.stdout.write(`${table}\n`);
    for (const problem of problemsOf(phases)) {
      process.stderr.write(`FAILED ${problem}\n`);
      process.exitCode = 1;
    }
  } finally {
    for (const client of clients) client.close();
    await envoy.close();
  }
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
