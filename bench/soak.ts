/**
 * `npm run soak [-- --minutes 10 --size bundled --json]`: mixed traffic on a server process for a long time. Looks for memory that grows,
 * calls that fail and latencies that drift. Exit code 1 when one is found.
 * `--size reference`: a random model of D 4096, contexts of 600 tokens.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { summarize } from '../src/client/load-loops.js';
import { saveBundle } from '../src/model/bundle.js';
import { SERVE_BUNDLED } from '../test/support/load.js';
import {
  readMetrics,
  residentBytes,
  startServerProcess,
  type ServerProcess,
} from '../test/support/server-process.js';
import { benchModel, REFERENCE_SIZE } from './random-model.js';
import { slopePerMinute } from './slope.js';
import { KINDS, LOADS, runTraffic, type Call } from './soak-traffic.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    size: { type: 'string', default: 'bundled' },
    json: { type: 'boolean', default: false },
  },
});
const MIB = 1024 ** 2;
const SAMPLE_MS = 2_000;
/** In less than this nothing can be said about growth. */
const LEAST_MINUTES = 4;
/** Growth that is no leak yet: allocators and the JavaScript heap settle for a while. */
const MOST_MIB_PER_MINUTE = 4;
/** p50 of the last part beside the first: the rest of the machine moves it, too. */
const MOST_DRIFT = 1.5;

interface Sample {
  readonly minute: number;
  readonly residentMiB: number;
  readonly heapMiB: number;
  readonly externalMiB: number;
  readonly queueDepth: number;
  readonly keptContexts: number;
}

async function sample(server: ServerProcess, startMs: number): Promise<Sample> {
  const metrics = await readMetrics(server);
  const sum = (prefix: string): number =>
    [...metrics].reduce((total, [name, value]) => (name.startsWith(prefix) ? total + value : total), 0);
  return {
    minute: (performance.now() - startMs) / 60_000,
    residentMiB: residentBytes(server.child.pid!) / MIB,
    heapMiB: sum('nodejs_heap_size_used_bytes') / MIB,
    externalMiB: sum('nodejs_external_memory_bytes') / MIB,
    queueDepth: sum('action_energy_queue_depth'),
    keptContexts: sum('action_energy_context_cache_entries'),
  };
}

const minutes = Number(flags.minutes);
if (flags.size !== 'bundled' && flags.size !== 'reference') throw new Error('--size: bundled or reference');
const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-soak-'));
if (flags.size === 'reference') {
  const { card, weights } = benchModel(REFERENCE_SIZE);
  await saveBundle(path.join(directory, card.name), card, weights);
}
const served = flags.size === 'bundled' ? SERVE_BUNDLED : ['--models', directory, '--provider', 'cpu'];
const server = await startServerProcess([...served, '--context-lease-ms', '20000']);
const stop = new AbortController();
const calls: Call[] = [];
const samples: Sample[] = [];
const startMs = performance.now();
const traffic = runTraffic(server.address, LOADS[flags.size], stop.signal, (call) => void calls.push(call));
while (performance.now() - startMs < 60_000 * minutes) {
  await delay(SAMPLE_MS);
  samples.push(await sample(server, startMs));
  if (samples.length % 15 === 0) {
    const { minute, residentMiB } = samples.at(-1)!;
    process.stderr.write(`${minute.toFixed(1)} min: ${calls.length} calls, ${residentMiB.toFixed(0)} MiB\n`);
  }
}
stop.abort();
await traffic;
const after = await sample(server, startMs);
const { code } = await server.stop();
await rm(directory, { recursive: true });

// memory settles in the first half; latencies in the first tenth, and the rest of them is cut into three
const settled = samples.filter(({ minute }) => minute > minutes / 2);
const slopeOf = (read: (each: Sample) => number): number =>
  slopePerMinute(settled.map((each) => [each.minute, read(each)]));
const [fromMs, partMs] = [6_000 * minutes, 18_000 * minutes];
const part = (kind: string, index: number) =>
  summarize(
    calls
      .filter(({ atMs, error, ...call }) => {
        const offsetMs = atMs - fromMs - index * partMs;
        return call.kind === kind && error === undefined && offsetMs >= 0 && offsetMs < partMs;
      })
      .map(({ ms }) => ms),
  );
const kinds = KINDS.map((kind) => {
  const own = calls.filter((call) => call.kind === kind);
  const errors: Record<string, number> = {};
  for (const { error } of own) if (error !== undefined) errors[error] = (errors[error] ?? 0) + 1;
  const [first, last] = [part(kind, 0), part(kind, 2)];
  return { kind, calls: own.length, errors, first, last, drift: last.p50Ms / first.p50Ms };
});
const memory = {
  residentMiBPerMinute: slopeOf(({ residentMiB }) => residentMiB),
  heapMiBPerMinute: slopeOf(({ heapMiB }) => heapMiB),
  externalMiBPerMinute: slopeOf(({ externalMiB }) => externalMiB),
  firstMiB: settled[0]?.residentMiB ?? NaN,
  lastMiB: settled.at(-1)?.residentMiB ?? NaN,
};
const problems = [
  ...kinds.flatMap(({ kind, errors }) =>
    Object.entries(errors).map(([error, count]) => `${kind}: ${count} calls failed as ${error}`),
  ),
  ...kinds
    .filter(({ kind, drift }) => kind !== 'cancelled' && drift > MOST_DRIFT)
    .map(({ kind, drift }) => `${kind}: p50 drifted by a factor of ${drift.toFixed(2)}`),
  ...(minutes >= LEAST_MINUTES && memory.residentMiBPerMinute > MOST_MIB_PER_MINUTE
    ? ['resident memory grows']
    : []),
  ...(minutes >= LEAST_MINUTES && memory.heapMiBPerMinute > MOST_MIB_PER_MINUTE ? ['the heap grows'] : []),
  ...(after.queueDepth > 0 ? ['the queue did not run empty'] : []),
  ...(code === 0 ? [] : [`the server exited with ${code}`]),
];
const verdict = problems.length === 0 ? 'steady' : problems.join('; ');

const ms = (value: number): string => value.toFixed(1);
const table = markdownTable(
  ['traffic', 'calls', 'errors', 'p50 first third', 'p50 last third', 'p99 first third', 'p99 last third'],
  kinds.map(({ kind, calls: count, errors, first, last }) => [
    kind,
    String(count),
    JSON.stringify(errors),
    ...[first.p50Ms, last.p50Ms, first.p99Ms, last.p99Ms].map((value) => `${ms(value)} ms`),
  ]),
);
const report = { minutes, verdict, memory, kinds, keptContexts: after.keptContexts, exitCode: code };
process.stdout.write(
  flags.json
    ? `${JSON.stringify(report, null, 2)}\n`
    : `${table}\n\nresident ${ms(memory.firstMiB)} to ${ms(memory.lastMiB)} MiB, ${memory.residentMiBPerMinute.toFixed(2)} MiB a minute; ` +
        `heap ${memory.heapMiBPerMinute.toFixed(2)}, external ${memory.externalMiBPerMinute.toFixed(2)} MiB a minute\n` +
        `verdict after ${minutes} minutes: ${verdict}\n${JSON.stringify({ verdict, memory })}\n`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
