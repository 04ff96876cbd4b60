/**
 * What live quality costs: throughput of ScoreActions at saturation with the default share against share 0. Both servers
 * run in this process, each with its own copy of a mid-size model of random weights; the rounds take turns, so that whatever
 * else the machine does hits both alike, and the ratio is that of neighbouring rounds. Beside it the CPU time of a request,
 * clients included, which what else runs on the machine disturbs less.
 *
 *   npm run bench:quality -- [--rounds N] [--round-ms MS] [--concurrency C] [--save]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { EnergyClient } from '../src/client/energy-client.js';
import { loadConfig } from '../src/config/load.js';
import { startEngine } from '../src/engine/start.js';
import type { ScoreActionsRequest } from '../src/generated/action_energy/v1/ScoreActionsRequest.js';
import { saveBundle } from '../src/model/bundle.js';
import { startServer, type RunningServer } from '../src/grpc/server.js';
import { encodeFloat32 } from '../src/wire/tensor-message.js';
import { benchModel, randomActions, randomContext, type BenchSize } from './random-model.js';
import { saveResult } from './results.js';
import { seededRandom } from '../src/random.js';
import { median } from './statistics.js';
import { markdownTable, verdict } from './table.js';

const SIZE: BenchSize = {
  stateDim: 1024,
  hidden: 256,
  heads: 8,
  tokens: 128,
  masked: 0,
  steps: 8,
  actionDim: 7,
};
const CANDIDATES = 16;
/** Contexts and candidates that take turns, so that chunks differ. */
const VARIANTS = 16;
/** What live quality may cost: a share of the throughput. */
const REACH = 0.98;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '80' },
    'round-ms': { type: 'string', default: '300' },
    concurrency: { type: 'string', default: '8' },
    save: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const roundMs = Number(values['round-ms']);
const concurrency = Number(values.concurrency);

interface Served {
  readonly server: RunningServer;
  readonly client: EnergyClient;
}

async function serve(models: string, share: string | undefined): Promise<Served> {
  const config = loadConfig({
    flags: {
      models,
      address: '127.0.0.1:0',
      'metrics-address': '127.0.0.1:0',
      ...(share === undefined ? {} : { 'quality-share': share }),
    },
  });
  const server = await startServer(config, {
    log: pino({ level: 'silent' }),
    startEngine: (bundle) => startEngine(bundle, { provider: 'cpu', threads: availableParallelism() }),
  });
  return { server, client: await EnergyClient.open({ address: server.addresses[0]! }) };
}

interface Round {
  /** Requests a second of a closed loop. */
  readonly rate: number;
  /** Median latency. */
  readonly ms: number;
  /** CPU time of this process for each request. */
  readonly cpuMs: number;
}

async function round(
  { client }: Served,
  requests: readonly ScoreActionsRequest[],
  lanes: number,
  gapMs: number,
): Promise<Round> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const latencies: number[] = [];
  const lane = async (offset: number): Promise<void> => {
    for (let i = offset; performance.now() - start < roundMs; i++) {
      const sent = performance.now();
      await client.score(requests[i % requests.length]!);
      latencies.push(performance.now() - sent);
      if (gapMs > 0) await delay(gapMs);
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, i) => lane(i)));
  const { user, system } = process.cpuUsage(cpu);
  return {
    rate: (1000 * latencies.length) / (performance.now() - start),
    ms: median(latencies),
    cpuMs: (user + system) / 1000 / latencies.length,
  };
}

/** Mean of the middle half: rounds that something else disturbed do not count. */
function midmean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  const middle = sorted.slice(cut, sorted.length - cut);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/** Of the midmean, by bootstrap. */
function standardError(values: readonly number[]): number {
  const random = seededRandom(0);
  const means = Array.from({ length: 500 }, () =>
    midmean(values.map(() => values[random.below(values.length)]!)),
  );
  const mean = means.reduce((sum, value) => sum + value, 0) / means.length;
  return Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / means.length);
}

async function outcomes({ server }: Served): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
  const found = text.matchAll(
    /^action_energy_quality_samples_total\{.*outcome="(\w+)",cause="\w*"\} (\d+)$/gm,
  );
  const counts = new Map<string, number>();
  for (const [, name = '', count] of found) counts.set(name, (counts.get(name) ?? 0) + Number(count));
  return counts;
}

/** What happened between two readings. */
function between(before: Map<string, number>, now: Map<string, number>): string {
  const parts = [...now].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  const counted = parts.filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
  return counted.length === 0 ? 'none drawn' : counted.join(', ');
}

const models = await mkdtemp(path.join(tmpdir(), 'action-energy-bench-'));
const servers: Served[] = [];
try {
  const { card, weights } = benchModel(SIZE);
  await saveBundle(path.join(models, 'bench'), card, weights);
  const off = await serve(models, '0');
  servers.push(off);
  const on = await serve(models, undefined);
  servers.push(on);

  const candidates = Array.from({ length: VARIANTS }, (_, i) =>
    encodeFloat32([CANDIDATES, SIZE.steps, SIZE.actionDim], randomActions(SIZE, CANDIDATES, i)),
  );
  const inline = candidates.map((each, i): ScoreActionsRequest => {
    const { shape, bytes } = randomContext(SIZE, 'bfloat16', i);
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { inline: { hidden: { dtype: 'BFLOAT16', shape: [...shape], data } }, candidates: each };
  });
  /** The same contexts, kept; ids belong to one server. */
  const kept = async ({ client }: Served): Promise<ScoreActionsRequest[]> =>
    Promise.all(
      inline.map(async ({ inline: context, candidates: each }) => {
        const { context: entry } = await client.putContext({ context: context!, leaseMs: 3_600_000 });
        return { contextId: entry!.contextId, candidates: each! };
      }),
    );
  const workloads = [
    {
      name: `fresh contexts, ${concurrency} at a time`,
      lanes: concurrency,
      gapMs: 0,
      off: inline,
      on: inline,
    },
    {
      name: `kept contexts, ${concurrency} at a time`,
      lanes: concurrency,
      gapMs: 0,
      off: await kept(off),
      on: await kept(on),
    },
    { name: 'one control loop with pauses', lanes: 1, gapMs: 20, off: inline, on: inline },
  ];

  const rows: string[][] = [];
  for (const { name, lanes, gapMs, ...requests } of workloads) {
    await round(off, requests.off, lanes, gapMs);
    await round(on, requests.on, lanes, gapMs);
    const before = await outcomes(on);
    const measured: Record<'off' | 'on', Round[]> = { off: [], on: [] };
    for (let i = 0; i < rounds; i++) {
      const order = i % 2 === 0 ? (['off', 'on'] as const) : (['on', 'off'] as const);
      for (const which of order) {
        measured[which].push(await round(which === 'off' ? off : on, requests[which], lanes, gapMs));
      }
    }
    const ratios = (figure: keyof Round): number[] =>
      measured.on.map((each, i) => each[figure] / measured.off[i]![figure]);
    const middle = (which: 'off' | 'on', figure: keyof Round): number =>
      median(measured[which].map((each) => each[figure]));
    const rates = ratios('rate');
    const ratio = midmean(rates);
    const saturated = gapMs === 0;
    rows.push([
      name,
      `${middle('off', 'rate').toFixed(1)} / ${middle('on', 'rate').toFixed(1)}`,
      `${ratio.toFixed(3)} ± ${standardError(rates).toFixed(3)}${verdict(ratio, saturated ? REACH : undefined, 'least')}`,
      midmean(ratios('cpuMs')).toFixed(3),
      `${middle('off', 'ms').toFixed(2)} / ${middle('on', 'ms').toFixed(2)}`,
      between(before, await outcomes(on)),
    ]);
  }
  const header = [
    'load',
    'requests/s, share 0 / default',
    `ratio of neighbouring rounds (${rounds}), ± standard error`,
    'CPU time of a request, ratio',
    'p50 ms, share 0 / default',
    'samples',
  ];
  const table = `D ${SIZE.stateDim}, h ${SIZE.hidden}, S ${SIZE.tokens} bfloat16, N ${CANDIDATES}; ${availableParallelism()} engine threads, the clients on the same cores.\n\n${markdownTable(header, rows)}`;
  process.stdout.write(`${table}\n`);
  if (values.save) await saveResult('quality', { command: 'npm run bench:quality', table });
} finally {
  for (const { client, server } of servers) {
    client.close();
    await server.close();
  }
  await rm(models, { recursive: true });
}
