/**
 * `npm run faults [-- --seconds 60]`: hostile clients (`faults-hostile.ts`), then the long form of the overload test: ten times
 * what the server can do, open loop, where every request must be answered or refused, none lost, and memory must be flat.
 * Prints what was measured; exit code 1 if not.
 */
import { parseArgs } from 'node:util';
import { EnergyClient } from '../src/client/energy-client.js';
import { summarize } from '../src/client/latency.js';
import { overload, SERVE_BUNDLED } from '../test/support/load.js';
import { startServerProcess } from '../test/support/server-process.js';
import { hostileChecks, type Check } from './faults-hostile.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const MIB = 1024 ** 2;
/**
 * What the second half may take beyond the first: the allocator takes steps of some 30 MiB and keeps them, while the run
 * receives gigabytes. A slow leak is for `npm run soak` to find.
 */
const MOST_GROWTH_MIB = 64;

const hostile = await hostileChecks();
const server = await startServerProcess([...SERVE_BUNDLED, '--queue-items', '64']);
const client = await EnergyClient.open({ address: server.address });
const { due, latenciesMs, errors, resident, queueDepth, capacity, elapsedMs } = await overload(
  server,
  client,
  1000 * Number(flags.seconds),
);
client.close();
const { code } = await server.stop();

const refused = Object.values(errors).reduce((sum, count) => sum + count, 0);
const unexpected = Object.keys(errors).filter((kind) => kind !== 'exhausted' && kind !== 'deadline');
const middle = Math.ceil(resident.length / 2);
const [firstMiB, secondMiB] = [resident.slice(0, middle), resident.slice(middle)].map(
  (half) => Math.max(...half) / MIB,
) as [number, number];
const latency = summarize(latenciesMs);
const checks: readonly Check[] = [
  ...hostile,
  [
    'answered or refused',
    `${latenciesMs.length} + ${refused} of ${due}`,
    latenciesMs.length + refused === due,
  ],
  ['only refusals and deadlines', JSON.stringify(errors), unexpected.length === 0],
  ['queue empty afterwards', String(queueDepth), queueDepth === 0],
  [
    'memory flat',
    `at most ${firstMiB.toFixed(0)} MiB in the first half, ${secondMiB.toFixed(0)} in the second`,
    secondMiB - firstMiB <= MOST_GROWTH_MIB,
  ],
  ['exit code', String(code), code === 0],
];
process.stdout.write(
  `${markdownTable(
    ['check', 'found', ''],
    checks.map(([name, found, ok]) => [name, found, ok ? 'ok' : 'FAILED']),
  )}\n\ncapacity ${capacity.toFixed(0)} a second; offered ten times that for ${(elapsedMs / 1000).toFixed(0)} s; ` +
    `answered ${((1000 * latenciesMs.length) / elapsedMs).toFixed(0)} a second, p50 ${latency.p50Ms.toFixed(0)} ms, p99 ${latency.p99Ms.toFixed(0)} ms\n`,
);
process.exitCode = checks.every(([, , ok]) => ok) ? 0 : 1;
