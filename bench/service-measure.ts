/** What `bench:service` measures: the service and the bare engine in turns, so that both meet the same machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EnergyClient } from '../src/client/client.js';
import { summarize, type LatencySummary } from '../src/client/latency.js';
import type { Engine, EngineBatch } from '../src/engine/engine.js';
import { Fault } from '../src/errors.js';
import { runClosedLoop, type ClosedLoopResult } from './load.js';
import { LoadClient, scoreMessage } from './service-load.js';
import { cpuSeconds, readMetrics, type ServerProcess } from '../test/support/server-process.js';
import { candidates, context, freshBatch, keepBatch, keptBatch } from './service-workload.js';
import { pause } from './statistics.js';

export type Kind = 'fresh' | 'kept';

/** The runs with the engine at its best: alone, and in batches as the server would make them within its token budget. */
const ENGINE_BATCHES: Readonly<Record<Kind, readonly number[]>> = { fresh: [1, 4, 7], kept: [1, 4, 16] };
/** Batches under way at a time: the engine never waits for the next. */
const ENGINE_DEPTH = 2;
const LEASE_MS = 3_600_000;

export interface Subjects {
  readonly server: ServerProcess;
  readonly load: LoadClient;
  readonly engine: Engine;
  /** The requests of each kind. */
  readonly messages: Readonly<Record<Kind, Buffer>>;
}

export interface Pace {
  /** Turns of engine and service. */
  readonly rounds: number;
  readonly turnMs: number;
}

/** Encodes the context that is kept, on both sides. */
export async function prepare(client: EnergyClient, parts: Omit<Subjects, 'messages'>): Promise<Subjects> {
  const { context: kept } = await client.putContext({ context, leaseMs: LEASE_MS });
  await parts.engine.run(keepBatch);
  const messages = {
    fresh: scoreMessage({ inline: context, candidates }),
    kept: scoreMessage({ contextId: kept!.contextId, candidates }),
  };
  return { ...parts, messages };
}

function engineRun(engine: Engine, batch: EngineBatch): () => Promise<void> {
  return async () => {
    const { encoded, scored } = await engine.run(batch);
    for (const outcome of [...encoded, ...scored]) if (!outcome.ok) throw outcome.fault;
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
    service.push(
      ...(await runClosedLoop(1, pace.turnMs, () => subjects.load.send(subjects.messages[kind]))).latenciesMs,
    );
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
  /** Largest of the turns. */
  readonly loopLagP99Ms: number;
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
  let loopLagP99Ms = 0;
  for (let round = 0; round < pace.rounds; round++) {
    for (const [size, into] of engineRates) {
      const run = engineRun(engine, kind === 'fresh' ? freshBatch(size) : keptBatch(size));
      into.push(size * (await runClosedLoop(ENGINE_DEPTH, pace.turnMs, run)).perSecond);
    }
    await pause();
    await readMetrics(server); // each reading begins a new window of the event loop's lag
    const result = await metered(usage, server, () =>
      runClosedLoop(concurrency, 2 * pace.turnMs, () => subjects.load.send(subjects.messages[kind])),
    );
    const metrics = await readMetrics(server);
    loopLagP99Ms = Math.max(loopLagP99Ms, 1000 * (metrics.get('nodejs_eventloop_lag_p99_seconds') ?? NaN));
    latenciesMs.push(...result.latenciesMs);
    rates.push(result.perSecond);
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
    loopLagP99Ms,
    serverCores: usage.serverSeconds / usage.seconds,
    loadCores: usage.loadSeconds / usage.seconds,
  };
}

async function metered(
  usage: { serverSeconds: number; loadSeconds: number; seconds: number },
  { child }: ServerProcess,
  run: () => Promise<ClosedLoopResult>,
): Promise<ClosedLoopResult> {
  const serverBefore = cpuSeconds(child.pid!);
  const loadBefore = process.cpuUsage();
  const start = performance.now();
  const result = await run();
  const { user, system } = process.cpuUsage(loadBefore);
  usage.seconds += (performance.now() - start) / 1000;
  usage.loadSeconds += (user + system) / 1e6;
  usage.serverSeconds += cpuSeconds(child.pid!) - serverBefore;
  return result;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export interface UploadRow {
  readonly service: LatencySummary;
  readonly stock: LatencySummary;
}

/** From the call to the refusal of a request that has a whole context and no candidates: nothing is computed. */
export async function measureUpload({ load }: Subjects, pace: Pace): Promise<UploadRow> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./service-stock.js', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const stock = await LoadClient.open(`127.0.0.1:${port.toString().trim()}`);
  const message = scoreMessage({ inline: context });
  const row = { service: [] as number[], stock: [] as number[] };
  const refused = async (to: LoadClient): Promise<void> => {
    const fault = await to.send(message).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(fault instanceof Fault) || fault.kind !== 'invalid') throw fault;
  };
  try {
    for (let round = 0; round <= pace.rounds; round++) {
      for (const [to, into] of [
        [load, row.service],
        [stock, row.stock],
      ] as const) {
        const { latenciesMs } = await runClosedLoop(1, pace.turnMs / 2, () => refused(to));
        if (round > 0) into.push(...latenciesMs); // the first round warms both up
      }
    }
  } finally {
    stock.close();
    child.kill('SIGKILL');
  }
  return { service: summarize(row.service), stock: summarize(row.stock) };
}
