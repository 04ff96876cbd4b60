/** What `bench:service` measures: the service and the bare engine in turns, so that both meet the same machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EnergyClient } from '../src/client/energy-client.js';
import { summarize, type LatencySummary, runClosedLoop } from '../src/client/load-loops.js';
import { valueOf, type Engine, type EngineBatch } from '../src/engine/engine.js';
import type { ScoreActionsRequest } from '../src/generated/action_energy/v1/ScoreActionsRequest.js';
import { openNodeLoad, openPythonLoad, scoreMessage, type Load } from './service-load.js';
import { cpuSeconds, readMetrics, type ServerProcess } from '../test/support/server-process.js';
import { candidates, context, freshBatch, keepBatch, keptBatch } from './service-workload.js';
import { median, pause } from './statistics.js';

export type Kind = 'fresh' | 'kept';

/** The runs with the engine at its best: alone, and in batches as the server would make them within its token budget. */
const ENGINE_BATCHES: Readonly<Record<Kind, readonly number[]>> = { fresh: [1, 4, 7], kept: [1, 4, 16] };
/** Batches under way at a time: the engine never waits for the next. */
const ENGINE_DEPTH = 2;
const LEASE_MS = 3_600_000;
/** Interval of the timer by whose lateness prom-client measures the event loop's lag; its figure holds the interval too. */
const LAG_TIMER_MS = 10;
/** Of each kind: a function is compiled for good only after a thousand calls or more. */
const WARM_UP_MS = 10_000;

export interface Subjects {
  readonly server: ServerProcess;
  readonly load: Load;
  readonly engine: Engine;
  /** Files with the request of each kind. */
  readonly messages: Readonly<Record<Kind, string>>;
}

export interface Pace {
  /** Turns of engine and service. */
  readonly rounds: number;
  readonly turnMs: number;
}

/** Encodes the context that is kept, on both sides, writes the messages into `directory`, and warms up. */
export async function prepare(
  client: EnergyClient,
  directory: string,
  parts: Omit<Subjects, 'messages'>,
): Promise<Subjects> {
  const { context: kept } = await client.putContext({ context, leaseMs: LEASE_MS });
  await parts.engine.run(keepBatch);
  const messages = {
    fresh: await messageFile(directory, 'fresh', { inline: context, candidates }),
    kept: await messageFile(directory, 'kept', { contextId: kept!.contextId, candidates }),
  };
  for (const message of Object.values(messages)) {
    await parts.load.run({ message, callers: 4, ms: WARM_UP_MS, status: 'OK' });
  }
  return { ...parts, messages };
}

async function messageFile(directory: string, name: string, request: ScoreActionsRequest): Promise<string> {
  const file = path.join(directory, `${name}.bin`);
  await writeFile(file, scoreMessage(request));
  return file;
}

function engineRun(engine: Engine, batch: EngineBatch): () => Promise<void> {
  return async () => {
    const { encoded, scored } = await engine.run(batch);
    for (const outcome of [...encoded, ...scored]) valueOf<unknown>(outcome);
  };
}

export interface LatencyRow {
  readonly kind: Kind;
  readonly service: LatencySummary;
  readonly engine: LatencySummary;
}

/** One caller. */
export async function measureLatency(subjects: Subjects, kind: Kind, pace: Pace): Promise<LatencyRow> {
  const service: number[] = [];
  const engine: number[] = [];
  const runEngine = engineRun(subjects.engine, kind === 'fresh' ? freshBatch(1) : keptBatch(1));
  for (let round = 0; round < pace.rounds; round++) {
    engine.push(...(await runClosedLoop(1, pace.turnMs, runEngine)).latenciesMs);
    await pause();
    const task = { message: subjects.messages[kind], callers: 1, ms: pace.turnMs, status: 'OK' } as const;
    service.push(...(await subjects.load.run(task)).latenciesMs);
    await pause();
  }
  return { kind, service: summarize(service), engine: summarize(engine) };
}

export interface LoadRow {
  readonly kind: Kind;
  readonly concurrency: number;
  readonly service: LatencySummary;
  readonly perSecond: number;
  /** The best of the engine alone: requests a second. */
  readonly enginePerSecond: number;
  /** Requests in a batch with which it was reached. */
  readonly engineBatch: number;
  /** Of the server's event loop, beyond the interval of the timer that measures it: median and largest of the turns. */
  readonly loopLagP99Ms: { readonly median: number; readonly max: number };
  /** Cores in use while the service ran. */
  readonly serverCores: number;
  readonly loadCores: number;
}

export async function measureLoad(
  subjects: Subjects,
  kind: Kind,
  concurrency: number,
  pace: Pace,
): Promise<LoadRow> {
  const { server, engine } = subjects;
  const latenciesMs: number[] = [];
  const rates: number[] = [];
  const engineRates = new Map<number, number[]>(ENGINE_BATCHES[kind].map((size) => [size, []]));
  const usage = { serverSeconds: 0, loadSeconds: 0, seconds: 0 };
  const lagsMs: number[] = [];
  for (let round = 0; round < pace.rounds; round++) {
    for (const [size, into] of engineRates) {
      const run = engineRun(engine, kind === 'fresh' ? freshBatch(size) : keptBatch(size));
      into.push(size * (await runClosedLoop(ENGINE_DEPTH, pace.turnMs, run)).perSecond);
    }
    await pause();
    await readMetrics(server); // each reading begins a new window of the event loop's lag
    const serverBefore = cpuSeconds(server.child.pid!);
    const message = subjects.messages[kind];
    const result = await subjects.load.run({
      message,
      callers: concurrency,
      ms: 2 * pace.turnMs,
      status: 'OK',
    });
    usage.serverSeconds += cpuSeconds(server.child.pid!) - serverBefore;
    usage.loadSeconds += result.cpuSeconds;
    usage.seconds += result.seconds;
    const metrics = await readMetrics(server);
    const measuredMs = 1000 * (metrics.get('nodejs_eventloop_lag_p99_seconds') ?? NaN);
    lagsMs.push(Math.max(0, measuredMs - LAG_TIMER_MS));
    latenciesMs.push(...result.latenciesMs);
    rates.push(result.latenciesMs.length / result.seconds);
  }
  const [engineBatch, enginePerSecond] = [...engineRates]
    .map(([size, values]) => [size, mean(values)] as const)
    .reduce((best, each) => (each[1] > best[1] ? each : best));
  return {
    kind,
    concurrency,
    service: summarize(latenciesMs),
    perSecond: mean(rates),
    enginePerSecond,
    engineBatch,
    loopLagP99Ms: { median: median(lagsMs), max: Math.max(...lagsMs) },
    serverCores: usage.serverSeconds / usage.seconds,
    loadCores: usage.loadSeconds / usage.seconds,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export interface UploadRow {
  /** Whose client uploads. */
  readonly client: 'Python' | 'Node';
  readonly service: LatencySummary;
  readonly stock: LatencySummary;
}

/** From the call to the refusal of a request that has a whole context and no candidates: nothing is computed. */
export async function measureUpload(
  { server }: Subjects,
  pace: Pace,
  directory: string,
  python: string,
): Promise<UploadRow[]> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./service-stock.js', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const stock = `127.0.0.1:${port.toString().trim()}`;
  const message = await messageFile(directory, 'upload', { inline: context });
  const openers = {
    Python: (address: string) => openPythonLoad(python, address),
    Node: openNodeLoad,
  } as const;
  try {
    const rows: UploadRow[] = [];
    for (const client of ['Python', 'Node'] as const) {
      const loads = { service: await openers[client](server.address), stock: await openers[client](stock) };
      const row = { service: [] as number[], stock: [] as number[] };
      for (let round = 0; round <= pace.rounds; round++) {
        for (const of of ['service', 'stock'] as const) {
          const task = { message, callers: 1, ms: pace.turnMs / 2, status: 'INVALID_ARGUMENT' } as const;
          const { latenciesMs } = await loads[of].run(task);
          if (round > 0) row[of].push(...latenciesMs); // the first round warms both up
        }
      }
      loads.service.close();
      loads.stock.close();
      rows.push({ client, service: summarize(row.service), stock: summarize(row.stock) });
    }
    return rows;
  } finally {
    child.kill('SIGKILL');
  }
}
