/**
 * `npm run bench:overload [-- --seconds 5 --loads '16 KB' --main FILE --plot FILE.svg --save]`: answers in time against offered load. The load is
 * open loop, up to ten times what the server can do, with deadlines of three times the time of one request alone, and
 * without. It runs beside the server, as it does where a policy shares the machine.
 *
 * `--main`: another build's `cli/main.js`, to compare with.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { COLOURS, frame, px, svg } from '../src/calibration/report/html/svg.js';
import { EnergyClient } from '../src/client/energy-client.js';
import { runOpenLoop, runClosedLoop } from '../src/client/load-loops.js';
import { Fault, invalid, type FaultKind } from '../src/errors.js';
import { saveBundle } from '../src/model/bundle.js';
import { contract } from '../src/wire/contract.js';
import { bundledRequests, MODELS } from '../test/support/load.js';
import { readMetrics, startServerProcess, type ServerProcess } from '../test/support/server-process.js';
import { benchModel, REFERENCE_SIZE } from './random-model.js';
import { saveResult } from './results.js';
import { candidates, context } from './service-workload.js';
import { scoreMessage } from './service-load.js';
import { median } from './statistics.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
    factors: { type: 'string', default: '0.5,1,2,5,10' },
    loads: { type: 'string', default: '4.9 MB,16 KB' },
    main: { type: 'string' },
    plot: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(flags.seconds);
const FACTORS = flags.factors.split(',').map(Number);
/** The deadline, in times of one request alone. */
const DEADLINE = 3;
const CONNECTIONS = 4;
/** Calls under way in the client: those due beyond it wait there, and are late. */
const MOST_CALLS = 1_000;
/** What is to be answered in time, of what the server can do. */
const REACH = 0.8;

type Send = (index: number, timeoutMs?: number) => Promise<unknown>;

interface Row {
  readonly load: string;
  readonly deadlineMs: number | undefined;
  readonly factor: number;
  /** Of capacity: answered in time (or at all, without a deadline), and refused with a hint. */
  readonly goodput: number;
  readonly refused: number;
  readonly late: number;
  /** Share of the time in which the engine ran a batch. */
  readonly busy: number;
  readonly p50Ms: number;
}

/** What a call that was not answered ended with. */
const KINDS: Readonly<Record<number, FaultKind>> = {
  1: 'cancelled',
  4: 'deadline',
  8: 'exhausted',
  14: 'unavailable',
};

/**
 * Calls over bare HTTP/2. A gRPC client takes 2 ms of processor for a call that is refused: at ten times capacity the load
 * itself would take the cores, and the server would be charged for it.
 */
async function withSender(
  address: string,
  messages: readonly Buffer[],
  use: (send: Send) => Promise<void>,
): Promise<void> {
  const frames = messages.map((message) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.byteLength, 1);
    return Buffer.concat([prefix, message]);
  });
  const sessions = Array.from({ length: CONNECTIONS }, () =>
    connect(`http://${address}`, { maxSessionMemory: 10_000 }),
  );
  const send: Send = (index, timeoutMs) =>
    new Promise((resolve, reject) => {
      const stream = sessions[index % CONNECTIONS]!.request({
        ':method': 'POST',
        ':path': contract.energy.ScoreActions.path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(timeoutMs !== undefined && { 'grpc-timeout': `${Math.round(1000 * timeoutMs)}u` }),
      });
      let status: number | undefined;
      const note = (headers: IncomingHttpHeaders): void => {
        if (headers['grpc-status'] !== undefined) status = Number(headers['grpc-status']);
      };
      stream.on('response', note);
      stream.on('trailers', note);
      stream.on('error', () => undefined);
      stream.on('close', () => {
        if (status === 0) resolve(undefined);
        else reject(new Fault(KINDS[status ?? 14] ?? 'internal', `status ${status}`));
      });
      stream.resume();
      stream.end(frames[index % frames.length]);
    });
  try {
    await use(send);
  } finally {
    for (const session of sessions) session.destroy();
  }
}

/** Engine time so far, seconds. */
async function busySeconds(server: ServerProcess): Promise<number> {
  let seconds = 0;
  for (const [name, value] of await readMetrics(server)) {
    if (name.startsWith('action_energy_engine_busy_seconds_total')) seconds += value;
  }
  return seconds;
}

async function measure(
  load: string,
  models: string,
  messages: (client: EnergyClient) => Promise<Buffer[]>,
): Promise<Row[]> {
  const args = ['--models', models, '--provider', 'cpu', '--threads', flags.threads];
  const server = await startServerProcess(args, [], flags.main);
  const client = await EnergyClient.open({ address: server.address });
  const rows: Row[] = [];
  try {
    await withSender(server.address, await messages(client), async (send) => {
      let sent = 0;
      await runClosedLoop(4, 2_000, () => send(sent++)); // warms up
      const alone = await runClosedLoop(1, 2_000, () => send(sent++));
      const { perSecond } = await runClosedLoop(8, 4_000, () => send(sent++));
      const deadlineMs = DEADLINE * median(alone.latenciesMs);
      process.stderr.write(
        `${load}: ${perSecond.toFixed(1)} a second, ${median(alone.latenciesMs).toFixed(1)} ms alone\n`,
      );
      for (const timeoutMs of [deadlineMs, undefined]) {
        for (const factor of FACTORS) {
          const busyBefore = await busySeconds(server);
          const { latenciesMs, errors, elapsedMs, due } = await runOpenLoop({
            rate: factor * perSecond,
            durationMs: 1000 * SECONDS,
            concurrency: MOST_CALLS,
            send: (index) => send(index, timeoutMs),
          });
          process.stderr.write(
            `  ${factor} x, ${timeoutMs?.toFixed(0) ?? 'no'} ms: ${JSON.stringify(errors)} of ${due}\n`,
          );
          const seconds = Math.max(SECONDS, elapsedMs / 1000);
          const busy = ((await busySeconds(server)) - busyBefore) / seconds;
          const inTime = latenciesMs.filter((ms) => ms <= (timeoutMs ?? Infinity)).length;
          rows.push({
            load,
            deadlineMs: timeoutMs,
            factor,
            goodput: inTime / seconds / perSecond,
            refused: (errors.exhausted ?? 0) / due,
            late: (due - inTime - (errors.exhausted ?? 0)) / due,
            busy,
            p50Ms: latenciesMs.length === 0 ? NaN : median(latenciesMs),
          });
        }
      }
    });
  } finally {
    client.close();
    await server.stop();
  }
  return rows;
}

function tableOf(rows: readonly Row[]): string {
  return markdownTable(
    [
      'load',
      'deadline',
      'offered',
      'answered in time',
      'refused',
      'late or failed',
      'engine busy',
      'p50',
      '',
    ],
    rows.map(({ load, deadlineMs, factor, goodput, refused, late, busy, p50Ms }) => [
      load,
      deadlineMs === undefined ? 'none' : `${deadlineMs.toFixed(0)} ms`,
      `${factor} x capacity`,
      `${goodput.toFixed(2)} of capacity`,
      `${(100 * refused).toFixed(0)} %`,
      `${(100 * late).toFixed(0)} %`,
      `${(100 * busy).toFixed(0)} %`,
      `${p50Ms.toFixed(0)} ms`,
      factor < 1 ? '' : goodput >= REACH ? 'met' : `missed ${REACH}`,
    ]),
  );
}

/** Goodput over offered load, one line a load and deadline. */
function plotOf(rows: readonly Row[]): string {
  const colours = [COLOURS.blue, COLOURS.orange, COLOURS.green, COLOURS.grey];
  const log = Math.log2;
  const most = Math.max(1.1, ...rows.map(({ goodput }) => goodput));
  const area = frame(
    640,
    360,
    {
      range: [log(Math.min(...FACTORS)), log(Math.max(...FACTORS))],
      title: 'offered load, times capacity',
      ticks: FACTORS.map((factor) => [log(factor), String(factor)]),
    },
    { range: [0, most], title: 'answered in time, of capacity' },
  );
  const series = [
    ...new Set(rows.map(({ load, deadlineMs }) => `${load}, ${deadlineMs ? 'deadline' : 'none'}`)),
  ];
  const body = series.map((name, i) => {
    const own = rows.filter(
      ({ load, deadlineMs }) => `${load}, ${deadlineMs ? 'deadline' : 'none'}` === name,
    );
    const points = own.map(({ factor, goodput }) => `${px(area.x(log(factor)))},${px(area.y(goodput))}`);
    const colour = colours[i % colours.length]!;
    return (
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>` +
      `<text x="${70 + i * 145}" y="18" fill="${colour}">${name}</text>`
    );
  });
  const reach = px(area.y(REACH));
  const style =
    '<style>text{font:12px sans-serif}.grid{stroke:#ddd}.axis{stroke:#333}svg{background:#fff}</style><rect width="100%" height="100%" fill="#fff"/>';
  const line = `<line x1="58" x2="626" y1="${reach}" y2="${reach}" stroke="#999" stroke-dasharray="4 4"/>`;
  return svg(area, 'goodput against offered load', style + area.axes + line + body.join('')).replace(
    '<svg ',
    '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="360" ',
  );
}

const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-overload-'));
try {
  const { card, weights } = benchModel(REFERENCE_SIZE);
  await saveBundle(path.join(directory, 'bench'), card, weights);
  const measures: Readonly<Record<string, () => Promise<Row[]>>> = {
    '4.9 MB': () =>
      measure('4.9 MB', directory, () => Promise.resolve([scoreMessage({ inline: context, candidates })])),
    '16 KB': () =>
      measure('16 KB', MODELS, async (client) => {
        const requests = await bundledRequests(client);
        return Array.from({ length: 8 }, (_, i) => scoreMessage(requests.score(i)));
      }),
  };
  const rows: Row[] = [];
  for (const load of flags.loads.split(',')) {
    const run = measures[load];
    if (run === undefined)
      throw invalid('--loads', 'no such load', { found: load, wanted: Object.keys(measures).join(', ') });
    rows.push(...(await run()));
  }
  const table = tableOf(rows);
  process.stdout.write(`${table}\n`);
  if (flags.plot !== undefined) await writeFile(flags.plot, plotOf(rows));
  if (flags.save) {
    await saveResult('overload', { command: 'npm run bench:overload', table });
  }
} finally {
  await rm(directory, { recursive: true });
}
