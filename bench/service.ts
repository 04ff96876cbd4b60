/**
 * `npm run bench:service [-- --python .venv/bin/python --threads 2 --rounds 5 --turn-ms 700 --quick --json --save]`: the gRPC service beside the bare
 * engine in the same run. D 4096, h 512, S 600 with 60 masked, bfloat16, N 16, H 8; server and load in processes of their
 * own, over TCP on this machine, so that the load's share of the cores is part of the figures.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { EnergyClient } from '../src/client/energy-client.js';
import { startEngine } from '../src/engine/start.js';
import { saveBundle } from '../src/model/bundle.js';
import { benchModel, REFERENCE_SIZE } from './random-model.js';
import { saveResult } from './results.js';
import { openPythonLoad } from './service-load.js';
import {
  measureLatency,
  measureLoad,
  measureUpload,
  prepare,
  type LatencyRow,
  type LoadRow,
  type Pace,
  type UploadRow,
} from './service-measure.js';
import { startServerProcess } from '../test/support/server-process.js';
import { markdownTable, verdict } from './table.js';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: '.venv/bin/python' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    'turn-ms': { type: 'string', default: '700' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
});

/** What the project promises (on 2 cores, the load included). */
const REACH = {
  /** Fresh p50: engine p50 times this, plus `freshPlusMs`. */
  freshFactor: 1.25,
  freshPlusMs: 12,
  keptPlusMs: 3,
  throughput: { fresh: 0.75, kept: 0.85 },
  upload: 3,
  loopLagP99Ms: 20,
} as const;
const CONCURRENCIES = [1, 4, 16];
const SATURATION = 16;

interface Results {
  readonly latency: readonly LatencyRow[];
  readonly load: readonly LoadRow[];
  readonly upload: readonly UploadRow[];
}

async function measure(pace: Pace): Promise<Results> {
  const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-bench-'));
  try {
    const { card, weights } = benchModel(REFERENCE_SIZE);
    await saveBundle(path.join(directory, 'bench'), card, weights);
    const common = ['--provider', 'cpu', '--threads', flags.threads];
    const server = await startServerProcess(['--models', directory, ...common]);
    const engine = await startEngine({ card, weights }, { provider: 'cpu', threads: Number(flags.threads) });
    const client = await EnergyClient.open({ address: server.address });
    const load = await openPythonLoad(flags.python, server.address);
    try {
      const subjects = await prepare(client, directory, { server, load, engine });
      const latency: LatencyRow[] = [];
      const loaded: LoadRow[] = [];
      for (const kind of ['fresh', 'kept'] as const) {
        latency.push(await measureLatency(subjects, kind, pace));
        for (const concurrency of CONCURRENCIES) {
          loaded.push(await measureLoad(subjects, kind, concurrency, pace));
        }
      }
      return { latency, load: loaded, upload: await measureUpload(subjects, pace, directory, flags.python) };
    } finally {
      load.close();
      client.close();
      await engine.close();
      await server.stop();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}

const ms = (value: number): string => value.toFixed(1);

function latencyTable(rows: readonly LatencyRow[]): string {
  const header = ['one caller', 'service p50', 'p99', 'engine p50', 'p99', 'reach of p50'];
  return markdownTable(
    header,
    rows.map(({ kind, service, engine }) => {
      const most =
        kind === 'fresh'
          ? REACH.freshFactor * engine.p50Ms + REACH.freshPlusMs
          : engine.p50Ms + REACH.keptPlusMs;
      const met = service.p50Ms <= most ? 'met' : 'missed';
      return [
        `${kind} context`,
        `${ms(service.p50Ms)} ms`,
        `${ms(service.p99Ms)} ms`,
        `${ms(engine.p50Ms)} ms`,
        `${ms(engine.p99Ms)} ms`,
        `at most ${ms(most)} ms: ${met}`,
      ];
    }),
  );
}

function loadTable(rows: readonly LoadRow[]): string {
  const header = [
    'callers',
    'p50',
    'p99',
    'a second',
    'engine alone',
    'ratio',
    'loop lag p99',
    'server cores',
    'load cores',
  ];
  return markdownTable(
    header,
    rows.map((row) => {
      const ratio = row.perSecond / row.enginePerSecond;
      const reach = row.concurrency === SATURATION ? REACH.throughput[row.kind] : undefined;
      return [
        `${row.concurrency} ${row.kind}`,
        `${ms(row.service.p50Ms)} ms`,
        `${ms(row.service.p99Ms)} ms`,
        row.perSecond.toFixed(1),
        `${row.enginePerSecond.toFixed(1)} (batches of ${row.engineBatch})`,
        `${ratio.toFixed(2)}${verdict(ratio, reach, 'least')}`,
        `${ms(row.loopLagP99Ms.median)} ms, at most ${ms(row.loopLagP99Ms.max)}${verdict(row.loopLagP99Ms.median, REACH.loopLagP99Ms, 'most')}`,
        row.serverCores.toFixed(2),
        row.loadCores.toFixed(2),
      ];
    }),
  );
}

function uploadTable(rows: readonly UploadRow[]): string {
  return markdownTable(
    ['4.9 MB upload', 'this server p50', 'p99', 'stock grpc-js server p50', 'p99', 'times stock'],
    rows.map(({ client, service, stock }) => {
      const ratio = stock.p50Ms / service.p50Ms;
      return [
        `by a ${client} client`,
        `${ms(service.p50Ms)} ms`,
        `${ms(service.p99Ms)} ms`,
        `${ms(stock.p50Ms)} ms`,
        `${ms(stock.p99Ms)} ms`,
        `${ratio.toFixed(1)}${verdict(ratio, REACH.upload, 'least')}`,
      ];
    }),
  );
}

const pace: Pace = flags.quick
  ? { rounds: 2, turnMs: 250 }
  : { rounds: Number(flags.rounds), turnMs: Number(flags['turn-ms']) };
const results = await measure(pace);
const table = [
  latencyTable(results.latency),
  loadTable(results.load),
  uploadTable(results.upload),
  `D 4096, S 600 with 60 masked, bfloat16, N 16, H 8; engine threads ${flags.threads}. The load is a Python client on gRPC's C core, as policy servers have it; it sends messages that were made beforehand. Loop lag: median and largest p99 of the turns.`,
].join('\n\n');
process.stdout.write(flags.json ? `${JSON.stringify(results, null, 2)}\n` : `${table}\n`);
if (flags.save) await saveResult('service', { command: 'npm run bench:service', table });
