/** `action-energy client bench`: open-loop load on a server, and the latencies that callers would see. */
import process from 'node:process';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { EnergyClient } from '../client/energy-client.js';
import { summarize, type LatencySummary, runOpenLoop, type OpenLoopResult } from '../client/load-loops.js';
import { randomRequests, type RequestShape } from '../client/random-requests.js';
import { addClientFlags, callSettings, withClient, type ClientFlags } from './client-flags.js';
import { parseNumber } from './import-flags.js';
import { EXIT_CODES, formatTable, printJson } from './output.js';
import { parseCount, parsePositive } from './score-flags.js';

interface Flags extends ClientFlags {
  rate: number;
  duration: number;
  concurrency: number;
  tokens: number;
  masked: number;
  candidates: number;
  steps?: number;
  dtype: RequestShape['dtype'];
  keepContext?: true;
  json?: true;
}

const HELP = `
Calls are due at the given rate whatever became of the ones before, and a call's latency counts from when it was due: a
server that stalls is charged for every call that had to wait. Exit code 4 when not one call was answered. Nothing is tried again; a refusal counts as one. Width,
action dims and chunk come from the server's model; the values are random.

Example:
  action-energy client bench --rate 20 --duration 10 --tokens 600 --masked 60 --candidates 16`;

export function clientBenchCommand(): Command {
  const command = new Command('bench').description('put load on a server and report latencies');
  addClientFlags(command)
    .option('--rate <x>', 'calls a second', parsePositive, 10)
    .option('--duration <s>', 'seconds', parsePositive, 10)
    .option('--concurrency <n>', 'most calls under way', parseCount, 256)
    .option('--tokens <n>', 'context tokens (S)', parseCount, 600)
    .option('--masked <n>', 'how many of them are masked, at the end', parseMasked, 0)
    .option('--candidates <n>', 'candidate chunks (N)', parseCount, 16)
    .option('--steps <n>', 'steps (H) of a chunk, where the model leaves it open (default: 8)', parseCount)
    .addOption(
      new Option('--dtype <name>', 'format of the context')
        .choices(['float32', 'float16', 'bfloat16'])
        .default('bfloat16'),
    )
    .option('--keep-context', 'send one context, then score by its id')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP);
  return command.action((flags: Flags) => withClient(flags, (client) => runBench(client, flags)));
}

async function runBench(client: EnergyClient, flags: Flags): Promise<void> {
  const settings = { ...callSettings(flags), retries: 0 };
  const model = await client.getModel(flags.model, settings);
  const { tokens, masked, candidates, dtype } = flags;
  const steps = model.chunk === 0 ? (flags.steps ?? 8) : model.chunk;
  const requests = randomRequests(model, { tokens, masked, candidates, steps, dtype });
  const name = model.version?.name ?? '';
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());

  let contextId: string | undefined;
  if (flags.keepContext) {
    const put = await client.putContext(
      { model: name, context: requests.context, leaseMs: model.limits?.leaseMs ?? 0 },
      settings,
    );
    contextId = put.context?.contextId;
  }
  const cpuBefore = process.cpuUsage();
  const result = await runOpenLoop({
    rate: flags.rate,
    durationMs: 1000 * flags.duration,
    concurrency: flags.concurrency,
    signal: stop.signal,
    send: (index) => client.score({ model: name, ...requests.score(index, contextId) }, settings),
    onProgress: ({ sent, done, errors }) =>
      process.stderr.write(`sent ${sent}, answered ${done - errors}, errors ${errors}\n`),
  });
  const { user, system } = process.cpuUsage(cpuBefore);
  if (contextId !== undefined) await client.dropContext({ model: name, contextId }, settings);
  const report = benchReport(flags, result, (user + system) / 1000 / result.elapsedMs);
  if (flags.json) printJson({ model: name, ...report });
  else process.stdout.write(formatReport(report));
  if (report.answered === 0) process.exitCode = EXIT_CODES.temporary;
}

interface BenchReport {
  readonly due: number;
  readonly answered: number;
  readonly refused: number;
  readonly errors: OpenLoopResult['errors'];
  readonly examples: OpenLoopResult['examples'];
  readonly offeredRate: number;
  readonly achievedRate: number;
  readonly latency: LatencySummary;
  /** Cores that this process used. */
  readonly clientCores: number;
}

function benchReport(
  flags: Flags,
  { due, latenciesMs, errors, examples, elapsedMs }: OpenLoopResult,
  clientCores: number,
): BenchReport {
  return {
    due,
    answered: latenciesMs.length,
    refused: errors.exhausted ?? 0,
    errors,
    examples,
    offeredRate: flags.rate,
    achievedRate: (1000 * latenciesMs.length) / elapsedMs,
    latency: summarize(latenciesMs),
    clientCores,
  };
}

function formatReport(report: BenchReport): string {
  const { latency, errors, examples } = report;
  const ms = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(1));
  const lines = [
    `${report.answered} of ${report.due} calls answered, ${report.refused} refused`,
    `rate: ${report.achievedRate.toFixed(1)} a second answered, ${report.offeredRate} offered`,
    formatTable(
      ['latency', 'p50', 'p90', 'p99', 'max', 'mean'],
      [
        [
          'ms',
          ms(latency.p50Ms),
          ms(latency.p90Ms),
          ms(latency.p99Ms),
          ms(latency.maxMs),
          ms(latency.meanMs),
        ],
      ],
      ['left', 'right', 'right', 'right', 'right', 'right'],
    ),
    `this client used ${report.clientCores.toFixed(2)} cores`,
    ...Object.entries(errors).map(
      ([kind, count]) => `${kind}: ${count}, e.g. ${examples[kind as keyof typeof examples] ?? ''}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function parseMasked(text: string): number {
  const value = parseNumber(text);
  if (!Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('Wanted an integer of at least 0.');
  return value;
}
