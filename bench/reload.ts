/**
 * `npm run bench:reload [-- --reloads 1000 --gap-ms 2000 --json]`: what a reload costs those who are served meanwhile, and what is left
 * of it. Latencies at half of what the server can do, open loop, over a tenth of the reloads, one each `--gap-ms`: ten reloads, then as
 * long without, in turn, so that the machine's moods fall on both. Each reload brings other weights than the one before, and every answer
 * must be bit-identical to the first that the same weights gave to the same request. Then the rest of the reloads, as fast as they
 * go. Exit code 1 when the p99 grows by more than a tenth, a request or a reload fails, a bit differs, or memory grows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { EnergyClient } from '../src/client/energy-client.js';
import { runOpenLoop, summarize, type LatencySummary } from '../src/client/load-loops.js';
import { bundledRequests, capacity } from '../test/support/load.js';
import { residentBytes, startServerProcess } from '../test/support/server-process.js';
import { changingModel } from './changing-model.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({
  options: {
    reloads: { type: 'string', default: '1000' },
    'gap-ms': { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
  },
});
const MIB = 1024 ** 2;
/** The reach: p99 of a part with reloads beside that of the part before, the median: one bad moment of the machine decides nothing. */
const MOST_SLOWER = 1.1;
/** What allocators may keep from the first tenth of the reloads to the last. */
const MOST_GROWTH_MIB = 64;
const LOAD = 0.5;
/** Reloads of one part. */
const PART = 10;
/** Different requests: `randomRequests` repeats its candidates. */
const REQUESTS = 8;

interface Sample {
  readonly startMs: number;
  readonly latencyMs: number;
}

const reloads = Number(flags.reloads);
const under = Math.ceil(reloads / 10);
const gapMs = Number(flags['gap-ms']);
const model = await changingModel();
const server = await startServerProcess(['--models', model.folder, '--provider', 'cpu', '--threads', '1']);
const client = await EnergyClient.open({ address: server.address });
const admin = await EnergyClient.open({ address: server.address });
const requests = await bundledRequests(client);
await capacity(client, requests, 8, 5_000); // warms up
const rate = LOAD * (await capacity(client, requests, 8, 3_000));

const errors: Record<string, number> = {};
const firstAnswers = new Map<string, readonly number[]>();
let different = 0;
let failed = '';
let lastDigest: string | undefined;
async function load(durationMs: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const beganMs = performance.now();
  const result = await runOpenLoop({
    rate,
    durationMs,
    concurrency: 256,
    send: async (index) => {
      const { energies, model: version } = await client.score(requests.score(index), { retries: 0 });
      const startMs = beganMs + (1000 * index) / rate;
      samples.push({ startMs, latencyMs: performance.now() - startMs });
      const key = `${version?.digest ?? ''} ${index % REQUESTS}`;
      const first = firstAnswers.get(key);
      if (first === undefined) firstAnswers.set(key, energies);
      else if (!first.every((value, i) => Object.is(value, energies[i]))) different++;
    },
  });
  for (const [kind, count] of Object.entries(result.errors)) errors[kind] = (errors[kind] ?? 0) + count;
  return samples;
}

function latencies(samples: readonly Sample[]): LatencySummary {
  return summarize(samples.map(({ latencyMs }) => latencyMs));
}

const spans: { readonly startMs: number; readonly endMs: number }[] = [];
async function reload(): Promise<void> {
  await model.change();
  const startMs = performance.now();
  const { models } = await admin.reload('');
  spans.push({ startMs, endMs: performance.now() });
  const digest = models[0]?.digest;
  if (digest === lastDigest) failed ||= 'a reload left the old weights in service';
  lastDigest = digest;
}

const without: Sample[] = [];
const within: Sample[] = [];
/** p99 of each part with reloads beside that of the part before. */
const ratios: number[] = [];
for (let done = 0; done < under; done += PART) {
  const count = Math.min(PART, under - done);
  const before = without.length;
  without.push(...(await load(count * gapMs)));
  const alone = without.slice(before);
  const startMs = performance.now();
  const loading = load(count * gapMs);
  for (let i = 0; i < count; i++) {
    await delay(Math.max(0, startMs + i * gapMs - performance.now()));
    await reload();
  }
  const beside = await loading;
  within.push(...beside);
  ratios.push(latencies(beside).p99Ms / latencies(alone).p99Ms);
}
const residentMiB = (): number => residentBytes(server.child.pid!) / MIB;
const early = residentMiB();
const paced = [...spans];
process.stderr.write(`${under} reloads under load, ${reloads - under} more follow\n`);
while (spans.length < reloads) await reload();
const late = residentMiB();
await client.score(requests.score(0));
client.close();
admin.close();
const { code } = await server.stop();
await model.remove();

const meets = ({ startMs, latencyMs }: Sample): boolean =>
  paced.some((span) => startMs < span.endMs && startMs + latencyMs > span.startMs);
const summaries = {
  without: latencies(without),
  within: latencies(within),
  meanwhile: latencies(within.filter(meets)),
};
const reloadMs = summarize(paced.map(({ startMs, endMs }) => endMs - startMs));
const share = (reloadMs.meanMs * under) / (under * gapMs);
const slower = summarize(ratios).p50Ms;
const problems = [
  ...(slower > MOST_SLOWER
    ? [`p99 grows by a factor of ${slower.toFixed(2)}, more than ${MOST_SLOWER}`]
    : []),
  ...Object.entries(errors).map(([kind, count]) => `${count} requests failed as ${kind}`),
  ...(failed === '' ? [] : [failed]),
  ...(different === 0 ? [] : [`${different} answers differ from the first of their weights`]),
  ...(late - early > MOST_GROWTH_MIB ? [`memory grows by ${(late - early).toFixed(0)} MiB`] : []),
  ...(code === 0 ? [] : [`the server exited with ${code}`]),
];
const verdict = problems.length === 0 ? 'met' : problems.join('; ');
const ms = (value: number): string => `${value.toFixed(1)} ms`;
const row = (name: string, of: LatencySummary): string[] => [
  name,
  String(of.count),
  ...[of.p50Ms, of.p90Ms, of.p99Ms, of.maxMs].map(ms),
];
process.stdout.write(
  flags.json
    ? `${JSON.stringify({ verdict, rate, reloads, gapMs, ...summaries, slower, ratios, share, early, late, reloadMs }, null, 2)}\n`
    : `${markdownTable(
        ['requests', 'count', 'p50', 'p90', 'p99', 'most'],
        [
          row('without reloads', summaries.without),
          row(`beside ${under} reloads, one each ${gapMs} ms`, summaries.within),
          row('of these, under way during a reload', summaries.meanwhile),
        ],
      )}\n\n${rate.toFixed(0)} requests a second, half of what the server can do; p99 ${slower.toFixed(2)} times (by parts ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})\n` +
        `a reload takes ${ms(reloadMs.p50Ms)} (at most ${ms(reloadMs.maxMs)}): ${(100 * share).toFixed(0)} percent of the time\n` +
        `resident ${early.toFixed(0)} MiB after ${under} reloads, ${late.toFixed(0)} MiB after ${reloads}\nverdict: ${verdict}\n`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
