/**
 * `npm run bench:plan [-- --seconds 20 --threads 1 --save]`: what `action-energy plan` says of a machine against what one does. The
 * costs are measured as the command measures them; then a fleet is offered to a real server: robots with a phase and a clock of their
 * own (2 percent apart), some requests with kept contexts and some with fresh ones. Load and server share this machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { EnergyClient } from '../src/client/energy-client.js';
import { summarize, runOpenLoop } from '../src/client/load-loops.js';
import { measureCosts } from '../src/client/measure-costs.js';
import { randomRequests } from '../src/client/random-requests.js';
import { saveBundle } from '../src/model/bundle.js';
import { loadOf, type Costs, type Load } from '../src/planning/fleet.js';
import { seededRandom } from '../src/random.js';
import { readMetrics, startServerProcess, type ServerProcess } from '../test/support/server-process.js';
import { benchModel } from './random-model.js';
import { saveResult } from './results.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    threads: { type: 'string', default: '1' },
    save: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(flags.seconds);

/** Small enough that sending contexts costs the load little: it takes its share of the cores. */
const SIZE = { stateDim: 1024, hidden: 512, heads: 8, tokens: 300, masked: 0, steps: 8, actionDim: 7 };
const HZ = 5;
const CANDIDATES = 16;
const KEPT_SHARES = [0.8, 0];
const UTILISATIONS = [0.3, 0.5, 0.7];
const CLOCKS = 0.02;

/** When each robot's requests are due, ascending; every robot begins at a moment of its own. */
function dueTimes(robots: number, seconds: number): number[] {
  const random = seededRandom(robots, 'plan');
  const due: number[] = [];
  for (let robot = 0; robot < robots; robot++) {
    const periodMs = (1000 / HZ) * (1 + CLOCKS * (random.uniform() - 0.5));
    for (let at = random.uniform() * periodMs; at < 1000 * seconds; at += periodMs) due.push(at);
  }
  return due.sort((a, b) => a - b);
}

async function busySeconds(server: ServerProcess): Promise<number> {
  for (const [name, value] of await readMetrics(server)) {
    if (name.startsWith('action_energy_engine_busy_seconds_total')) return value;
  }
  return 0;
}

interface Measured {
  readonly utilisation: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refused: number;
}

async function offer(
  server: ServerProcess,
  client: EnergyClient,
  robots: number,
  keptShare: number,
): Promise<Measured> {
  const served = await client.getModel('');
  const requests = randomRequests(served, { ...SIZE, candidates: CANDIDATES, dtype: 'bfloat16' });
  const put = { context: requests.context, leaseMs: 600_000 };
  const ids = await Promise.all(
    Array.from(
      { length: Math.min(robots, 32) },
      async () => (await client.putContext(put)).context!.contextId,
    ),
  );
  const due = dueTimes(robots, SECONDS);
  const random = seededRandom(robots, 'kept');
  const before = await busySeconds(server);
  const startMs = performance.now();
  const { latenciesMs } = await runOpenLoop({
    rate: due.length / SECONDS,
    durationMs: 1000 * SECONDS,
    dueMs: (index) => due[index]!,
    concurrency: 1_000,
    send: (index) => {
      const kept = random.uniform() < keptShare ? ids[index % ids.length] : undefined;
      return client.score(requests.score(index, kept), { retries: 0 });
    },
  });
  const busy = (await busySeconds(server)) - before;
  const { p50Ms, p99Ms } = summarize(latenciesMs);
  await Promise.all(ids.map((contextId) => client.dropContext({ contextId })));
  return {
    utilisation: (1000 * busy) / (performance.now() - startMs),
    p50Ms,
    p99Ms,
    refused: due.length - latenciesMs.length,
  };
}

interface Row {
  readonly keptShare: number;
  readonly predicted: Load;
  readonly measured: Measured;
}

async function measure(server: ServerProcess): Promise<{ costs: Costs; rows: Row[] }> {
  const client = await EnergyClient.open({ address: server.address });
  try {
    const shape = { ...SIZE, candidates: CANDIDATES, dtype: 'bfloat16' } as const;
    const options = { model: '', shape, partMs: 3_000, timeoutMs: 60_000 };
    await measureCosts(client, options); // V8 compiles for good only after thousands of calls
    const costs = await measureCosts(client, options);
    const rows: Row[] = [];
    for (const keptShare of KEPT_SHARES) {
      const how = { hz: HZ, candidates: CANDIDATES, keptShare };
      const each = loadOf(costs, how, 1).utilisation;
      for (const utilisation of UTILISATIONS) {
        const robots = Math.max(1, Math.round(utilisation / each));
        const measured = await offer(server, client, robots, keptShare);
        rows.push({ keptShare, predicted: loadOf(costs, how, robots), measured });
        process.stderr.write(`${robots} robots, kept ${keptShare}: done\n`);
      }
    }
    return { costs, rows };
  } finally {
    client.close();
  }
}

const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-plan-'));
try {
  const { card, weights } = benchModel(SIZE);
  await saveBundle(path.join(directory, 'bench'), card, weights);
  const server = await startServerProcess([
    ...['--models', directory, '--provider', 'cpu', '--threads', flags.threads, '--quality-share', '0'],
  ]);
  try {
    const { costs, rows } = await measure(server);
    const two = (ms: number): string => ms.toFixed(2);
    process.stdout.write(
      `a context ${two(costs.contextMs)} ms, a candidate ${two(costs.candidateMs)} ms, a request ${two(costs.requestMs)} ms, ` +
        `${two(costs.latencyMs)} ms more until the answer\n\n`,
    );
    const pair = (predicted: number, measured: number, text: (value: number) => string): string =>
      `${text(predicted)} / ${text(measured)}`;
    const ms = (value: number): string => `${value.toFixed(1)} ms`;
    const table = markdownTable(
      ['kept', 'robots', 'requests a second', 'busy', 'p50', 'p99', 'p99 measured / predicted', 'refused'],
      rows.map(({ keptShare, predicted, measured }) => [
        `${100 * keptShare} %`,
        String(predicted.robots),
        predicted.perSecond.toFixed(0),
        pair(predicted.utilisation, measured.utilisation, (share) => `${Math.round(100 * share)} %`),
        pair(predicted.p50Ms, measured.p50Ms, ms),
        pair(predicted.p99Ms, measured.p99Ms, ms),
        (measured.p99Ms / predicted.p99Ms).toFixed(2),
        String(measured.refused),
      ]),
    );
    process.stdout.write(`${table}\n`);
    if (flags.save) await saveResult('plan', { command: 'npm run bench:plan', table });
  } finally {
    await server.stop();
  }
} finally {
  await rm(directory, { recursive: true });
}
