/**
 * `npm run faults [-- --seconds 60 --poison 10]`: hostile clients (`test/support/attacks.ts`), then the long form of the overload
 * test: ten times what the server can do, open loop, where every request must be answered or refused, none lost, and memory
 * must be flat; then, for `--poison` minutes, 16 callers among poison, cancels, superseding and reloads
 * (`faults-poison.ts`). Prints what was done, its bound, and what was seen; exit code 1 if a bound does not hold.
 */
import { parseArgs } from 'node:util';
import { EnergyClient } from '../src/client/energy-client.js';
import { summarize } from '../src/client/load-loops.js';
import { overload, SERVE_BUNDLED } from '../test/support/load.js';
import { startServerProcess } from '../test/support/server-process.js';
import { FULL, runAttacks, type Check } from '../test/support/attacks.js';
import { poisonChecks } from './faults-poison.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, poison: { type: 'string', default: '0' } },
});
const MIB = 1024 ** 2;
/**
 * What the second half may take beyond the first: the allocator takes steps of some 30 MiB and keeps them, while the run
 * receives gigabytes. A slow leak is for `npm run soak` to find.
 */
const MOST_GROWTH_MIB = 64;

/** As the container images have it, so that large blocks are given back as they are freed (docs/limits.md). */
process.env['MALLOC_MMAP_THRESHOLD_'] ??= '131072';
process.env['MALLOC_TRIM_THRESHOLD_'] ??= '33554432';

const checks: Check[] = [];
const record = (check: Check): void => {
  checks.push(check);
  const { done, seen, ok } = check;
  process.stderr.write(`${ok ? 'ok' : 'FAILED'}  ${done}: ${seen}\n`);
};

await runAttacks(FULL, record);
if (Number(flags.seconds) > 0) await overloadChecks(Number(flags.seconds));
if (Number(flags.poison) > 0) await poisonChecks(Number(flags.poison), record);
process.stdout.write(
  `${markdownTable(
    ['done', 'bound', 'seen', ''],
    checks.map(({ done, bound, seen, ok }) => [done, bound, seen, ok ? 'ok' : 'FAILED']),
  )}\n`,
);
process.exitCode = checks.every(({ ok }) => ok) ? 0 : 1;

async function overloadChecks(seconds: number): Promise<void> {
  const server = await startServerProcess([...SERVE_BUNDLED, '--queue-items', '64']);
  const client = await EnergyClient.open({ address: server.address });
  const { due, latenciesMs, errors, resident, queueDepth, capacity, elapsedMs } = await overload(
    server,
    client,
    1000 * seconds,
  );
  client.close();
  const { code } = await server.stop();
  const refused = Object.values(errors).reduce((sum, count) => sum + count, 0);
  const unexpected = Object.keys(errors).filter((kind) => kind !== 'exhausted' && kind !== 'deadline');
  const middle = Math.ceil(resident.length / 2);
  const [firstMiB, secondMiB] = [resident.slice(0, middle), resident.slice(middle)].map(
    (half) => Math.max(...half) / MIB,
  ) as [number, number];
  const { p50Ms, p99Ms } = summarize(latenciesMs);
  const perSecond = (1000 * latenciesMs.length) / elapsedMs;
  record({
    done: `${seconds} s of ten times the ${capacity.toFixed(0)} requests a second that it can do`,
    bound: 'each is answered, refused or late; none waits on',
    seen: `${due}: ${latenciesMs.length} answered (${perSecond.toFixed(0)} a second, p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms), ${JSON.stringify(errors)}`,
    ok: latenciesMs.length + refused === due && unexpected.length === 0 && queueDepth === 0 && code === 0,
  });
  record({
    done: 'the same',
    bound: `at most ${MOST_GROWTH_MIB} MiB more in the second half`,
    seen: `at most ${firstMiB.toFixed(0)} MiB in the first half, ${secondMiB.toFixed(0)} in the second`,
    ok: secondMiB - firstMiB <= MOST_GROWTH_MIB,
  });
}
