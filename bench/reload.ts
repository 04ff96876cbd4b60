/**
 * `npm run bench:reload [-- --reloads 1000 --gap-ms 600 --json]`: what a reload costs those who are served meanwhile, and what is left
 * of it. Latencies at half of what the server can do, before, during and after a tenth of the reloads; then the rest of them, as fast
 * as they go. Exit code 1 when the p99 grows by more than a tenth, a request or a reload fails, or memory grows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { EnergyClient } from '../src/client/energy-client.js';
import { summarize, runOpenLoop } from '../src/client/load-loops.js';
import { bundledRequests, capacity, SERVE_BUNDLED } from '../test/support/load.js';
import { residentBytes, startServerProcess } from '../test/support/server-process.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({
  options: {
    reloads: { type: 'string', default: '1000' },
    'gap-ms': { type: 'string', default: '600' },
    json: { type: 'boolean', default: false },
  },
});
const MIB = 1024 ** 2;
/** The reach: p99 with reloads beside that without. */
const MOST_SLOWER = 1.1;
/** What allocators may keep from the first tenth of the reloads to the last. */
const MOST_GROWTH_MIB = 64;
const LOAD = 0.5;

const reloads = Number(flags.reloads);
const under = Math.ceil(reloads / 10);
const gapMs = Number(flags['gap-ms']);
const server = await startServerProcess(SERVE_BUNDLED);
const client = await EnergyClient.open({ address: server.address });
const admin = await EnergyClient.open({ address: server.address });
const requests = await bundledRequests(client);
await capacity(client, requests, 8, 5_000); // warms up
const rate = LOAD * (await capacity(client, requests, 8, 3_000));
const errors: Record<string, number> = {};
const load = async (durationMs: number): Promise<number[]> => {
  const result = await runOpenLoop({
    rate,
    durationMs,
    concurrency: 256,
    send: (index) => client.score(requests.score(index), { retries: 0 }),
  });
  for (const [kind, count] of Object.entries(result.errors)) errors[kind] = (errors[kind] ?? 0) + count;
  return [...result.latenciesMs];
};
const residentMiB = (): number => residentBytes(server.child.pid!) / MIB;

const durationMs = under * gapMs;
const before = await load(durationMs / 2);
let reloading = 0;
const reloadMs: number[] = [];
const reload = async (): Promise<void> => {
  const startMs = performance.now();
  await admin.reload('');
  reloadMs.push(performance.now() - startMs);
};
const [during] = await Promise.all([
  load(durationMs),
  (async () => {
    for (const startMs = performance.now(); reloading < under; reloading++) {
      await delay(Math.max(0, startMs + reloading * gapMs - performance.now()));
      await reload();
    }
  })(),
]);
const after = await load(durationMs / 2);
const early = residentMiB();
process.stderr.write(`${under} reloads under load, ${reloads - under} more follow\n`);
for (; reloading < reloads; reloading++) await reload();
const late = residentMiB();
await client.score(requests.score(0));
client.close();
admin.close();
const { code } = await server.stop();

const [without, within] = [summarize([...before, ...after]), summarize(during)];
const slower = within.p99Ms / without.p99Ms;
const problems = [
  ...(slower > MOST_SLOWER
    ? [`p99 grows by a factor of ${slower.toFixed(2)}, more than ${MOST_SLOWER}`]
    : []),
  ...Object.entries(errors).map(([kind, count]) => `${count} requests failed as ${kind}`),
  ...(late - early > MOST_GROWTH_MIB ? [`memory grows by ${(late - early).toFixed(0)} MiB`] : []),
  ...(code === 0 ? [] : [`the server exited with ${code}`]),
];
const verdict = problems.length === 0 ? 'met' : problems.join('; ');
const ms = (value: number): string => `${value.toFixed(1)} ms`;
process.stdout.write(
  flags.json
    ? `${JSON.stringify({ verdict, rate, reloads, without, within, slower, early, late, reloadMs: summarize(reloadMs) }, null, 2)}\n`
    : `${markdownTable(
        ['requests', 'count', 'p50', 'p99'],
        [
          ['without reloads', String(without.count), ms(without.p50Ms), ms(without.p99Ms)],
          [`beside ${under} reloads`, String(within.count), ms(within.p50Ms), ms(within.p99Ms)],
        ],
      )}\n\n${rate.toFixed(0)} requests a second, half of what the server can do; p99 ${slower.toFixed(2)} times; a reload takes ${ms(summarize(reloadMs).p50Ms)}\n` +
        `resident ${early.toFixed(0)} MiB after ${under} reloads, ${late.toFixed(0)} MiB after ${reloads}\nverdict: ${verdict}\n`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
