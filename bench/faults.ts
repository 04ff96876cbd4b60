/**
 * `npm run faults [-- --seconds 60]`: the long form of the overload test. Ten times what the server can do, open loop: every
 * request must be answered or refused, none lost, and memory must be flat. Prints what was measured; exit code 1 if not.
 */
import { parseArgs } from 'node:util';
import { EnergyClient } from '../src/client/client.js';
import { summarize } from '../src/client/latency.js';
import { overload, SERVE_BUNDLED } from '../test/support/load.js';
import { startServerProcess } from '../test/support/server-process.js';
import { slopePerMinute } from './slope.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const MIB = 1024 ** 2;
/** Resident memory may still grow by this much a minute in the second half: allocators take back slowly. */
const FLAT_MIB_PER_MINUTE = 16;

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
const half = resident.slice(Math.floor(resident.length / 2));
const slope = slopePerMinute(half.map((bytes, i) => [i / 60, bytes / MIB]));
const latency = summarize(latenciesMs);
const checks: readonly [name: string, found: string, ok: boolean][] = [
  [
    'answered or refused',
    `${latenciesMs.length} + ${refused} of ${due}`,
    latenciesMs.length + refused === due,
  ],
  ['only refusals and deadlines', JSON.stringify(errors), unexpected.length === 0],
  ['queue empty afterwards', String(queueDepth), queueDepth === 0],
  [
    'memory flat in the second half',
    `${slope.toFixed(1)} MiB a minute, at most ${(Math.max(...resident) / MIB).toFixed(0)} MiB`,
    half.length < 10 || slope < FLAT_MIB_PER_MINUTE,
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
