/** `action-energy plan`: from what a request costs to the machines that a fleet of robots needs. */
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import type { EnergyClient } from '../client/energy-client.js';
import { measureCosts, PARTS } from '../client/measure-costs.js';
import type { RequestShape } from '../client/random-requests.js';
import { invalid } from '../errors.js';
import { planFleet, type Costs, type Fleet, type Placement, type Plan } from '../planning/fleet.js';
import { addClientFlags, callSettings, withClient, type ClientFlags } from './client-flags.js';
import { engineFlags, whole, type EngineFlags } from './engine-flags.js';
import { parseNumber } from './import-flags.js';
import { EXIT_CODES, formatCount, interruptible, printJson } from './output.js';
import { parseCount, parsePositive } from './score-flags.js';
import { withServed } from './served-beside.js';

interface Flags extends ClientFlags, EngineFlags {
  robots: number;
  hz: number;
  candidates: number;
  kept: number;
  within?: number;
  placement: Placement;
  utilisation: number;
  spare: number;
  machines?: number;
  costs?: string;
  contextMs?: number;
  candidateMs?: number;
  requestMs?: number;
  latencyMs?: number;
  server?: true;
  tokens: number;
  masked: number;
  steps: number;
  dtype: RequestShape['dtype'];
  seconds: number;
  json?: true;
}

const HELP = `
What a request costs is measured: BUNDLE is served on this machine and kept busy for a while, or --server measures the one at
--address, best from another machine, since the load takes its share of the cores. Or it is known: --costs takes a file (what --json
prints will do), and --context-ms, --candidate-ms, --request-ms and --latency-ms take the figures themselves.

Exit code 3 when the machines that there are (--machines) will not do.

Each machine is one engine. Requests of robots that are not in step come as a Poisson stream; waiting times are those of the queue
M/G/1 (Pollaczek and Khinchine), for the machine with the most robots. docs/fleet.md says more, and what the prediction was worth.

Examples:
  $ action-energy plan models/mine --robots 200 --hz 10 --candidates 16 --kept 0.8
  $ action-energy plan --costs plan.json --robots 10000 --hz 5 --kept 0.8 --within 100
  $ action-energy plan --context-ms 28 --candidate-ms 0.3 --request-ms 0.5 --latency-ms 3 --robots 40 --machines 3`;

export function planCommand(): Command {
  const command = new Command('plan')
    .description('How many machines a fleet of robots needs.')
    .helpGroup('Service:')
    .argument('[bundle]', 'model bundle to measure on this machine')
    .requiredOption('--robots <n>', 'robots (R)', parseCount)
    .option('--hz <x>', 'requests of a robot a second (F)', parsePositive, 5)
    .option('--candidates <n>', 'candidate chunks of a request (N)', parseCount, 16)
    .option('--kept <share>', 'requests that name a kept context, 0 to 1', parseShare, 0)
    .option(
      '--within <ms>',
      '99 percent are answered so soon (default: the control period, 1000 / hz)',
      parsePositive,
    )
    .addOption(
      new Option(
        '--placement <kind>',
        'even: by a key for each context, as our clients send it, or each machine has as many robots; hashed: by the name of the robot',
      )
        .choices(['even', 'hashed'])
        .default('even'),
    )
    .option('--utilisation <share>', 'the fullest machine is at most so busy', parseUtilisation, 0.7)
    .option('--spare <n>', 'machines that may be gone', whole(0), 1)
    .option('--machines <n>', 'machines that there are: say whether they will do', parseCount)
    .option('--costs <file>', 'JSON with contextMs, candidateMs, requestMs and latencyMs')
    .option('--context-ms <ms>', 'to encode a context', parseTime)
    .option('--candidate-ms <ms>', 'to score a candidate', parseTime)
    .option('--request-ms <ms>', 'for a request besides', parseTime)
    .option('--latency-ms <ms>', 'until the answer besides, while the engine is free', parseTime)
    .option('--server', 'measure the server at --address')
    .option('--tokens <n>', 'measured with so many context tokens (S)', parseCount, 600)
    .option('--masked <n>', 'how many of them are masked, at the end', whole(0), 0)
    .option('--steps <n>', 'steps (H) of a chunk, where the model leaves it open', parseCount, 8)
    .addOption(
      new Option('--dtype <name>', 'format of the context')
        .choices(['float32', 'float16', 'bfloat16'])
        .default('bfloat16'),
    )
    .option('--seconds <s>', `how long each of ${PARTS} measurements takes`, parsePositive, 3)
    .option('--json', 'print JSON');
  addClientFlags(engineFlags(command)).addHelpText('after', HELP);
  return command.action(run);
}

async function run(bundle: string | undefined, flags: Flags): Promise<void> {
  const costs = await interruptible('nothing was measured', () => costsFor(bundle, flags));
  const fleet: Fleet = {
    robots: flags.robots,
    hz: flags.hz,
    candidates: flags.candidates,
    keptShare: flags.kept,
    deadlineMs: flags.within ?? 1000 / flags.hz,
    placement: flags.placement,
    utilisation: flags.utilisation,
    spare: flags.spare,
    ...(flags.machines !== undefined && { machines: flags.machines }),
  };
  const plan = planFleet(costs, fleet);
  if (flags.json) printJson({ costs, fleet, plan });
  else process.stdout.write(`${describe(costs, fleet, plan)}\n`);
  if (!plan.holds) process.exitCode = EXIT_CODES.precondition;
}

const COSTS = ['contextMs', 'candidateMs', 'requestMs', 'latencyMs'] as const satisfies (keyof Costs)[];

/** Flags win over the file, and over what is measured. Errors: nothing tells the costs, or two things do. */
async function costsFor(bundle: string | undefined, flags: Flags): Promise<Costs> {
  const given = Object.fromEntries(
    COSTS.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])),
  ) as Partial<Costs>;
  const sources = [bundle && 'a bundle', flags.server && '--server', flags.costs && '--costs'].filter(
    Boolean,
  );
  if (sources.length > 1) {
    throw invalid('costs', 'more than one thing tells them', {
      found: sources.join(' and '),
      wanted: 'a bundle, --server or --costs',
    });
  }
  if (flags.costs !== undefined) return { ...(await readCosts(flags.costs)), ...given };
  if (isWhole(given)) return given;
  if (bundle !== undefined) {
    return { ...(await withServed(bundle, flags, (client) => measure(client, flags))), ...given };
  }
  if (flags.server) return { ...(await withClient(flags, (client) => measure(client, flags))), ...given };
  throw invalid('costs', 'nothing tells what a request costs', {
    found: Object.keys(given).length === 0 ? 'none' : `only ${Object.keys(given).join(', ')}`,
    wanted:
      'a bundle to measure, --server, --costs FILE, or all of --context-ms, --candidate-ms, --request-ms, --latency-ms',
    mend: 'See: action-energy plan --help',
  });
}

function isWhole(costs: Partial<Costs>): costs is Costs {
  return COSTS.every((name) => costs[name] !== undefined);
}

const time = z.number().nonnegative();
const costsSchema = z.object({ contextMs: time, candidateMs: time, requestMs: time, latencyMs: time });
const fileSchema = z.union([z.object({ costs: costsSchema }).transform(({ costs }) => costs), costsSchema]);

async function readCosts(file: string): Promise<Costs> {
  let found: unknown;
  try {
    found = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw invalid(file, 'cannot be read as JSON', { found: (cause as Error).message, cause });
  }
  const parsed = fileSchema.safeParse(found);
  if (parsed.success) return parsed.data;
  throw invalid(file, 'these are no costs', {
    wanted: `numbers of milliseconds: ${COSTS.join(', ')}`,
    mend: 'Write it with: action-energy plan BUNDLE --robots 1 --json',
  });
}

async function measure(client: EnergyClient, flags: Flags): Promise<Costs> {
  const { model, tokens, masked, candidates, steps, dtype, seconds } = flags;
  const bar = new SingleBar({
    stream: process.stderr,
    format: 'measuring {bar} {value}/{total}',
    hideCursor: true,
    clearOnComplete: true,
    noTTYOutput: false,
  });
  if (process.stderr.isTTY) bar.start(PARTS, 0);
  try {
    return await measureCosts(client, {
      model,
      shape: { tokens, masked, candidates, steps, dtype },
      partMs: 1000 * seconds,
      timeoutMs: callSettings(flags).timeoutMs!,
      onPart: () => bar.increment(),
    });
  } finally {
    bar.stop();
  }
}

function describe(costs: Costs, fleet: Fleet, plan: Plan): string {
  const { fullest, needed } = plan;
  const ms = (value: number): string =>
    value === Infinity ? 'ever more' : `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  const lines: [string, string][] = [
    [
      'costs',
      `${ms(costs.contextMs)} a context, ${ms(costs.candidateMs)} a candidate, ${ms(costs.requestMs)} a request; ` +
        `${ms(costs.latencyMs)} more until the answer`,
    ],
    ['request', `${ms(plan.keptMs)} with a kept context, ${ms(plan.freshMs)} with a fresh one`],
    [
      'fleet',
      `${formatCount(fleet.robots)} robots at ${fleet.hz} Hz: ${formatCount(plan.perSecond)} requests a second, ` +
        `${percent(fleet.keptShare)} of them with kept contexts`,
    ],
    ['machines', `${formatCount(plan.machines)}: ${formatCount(needed)} and ${fleet.spare} spare`],
    [
      'fullest',
      `${formatCount(fullest.robots)} robots (${fleet.placement}), ${fullest.perSecond.toFixed(1)} requests a second, ` +
        `${percent(fullest.utilisation)} busy (at most ${percent(fleet.utilisation)}), ` +
        `p50 ${ms(fullest.p50Ms)}, p99 ${ms(fullest.p99Ms)} (at most ${ms(fleet.deadlineMs)})`,
    ],
    ['holds', plan.holds ? 'yes' : 'NO: too busy or too late'],
    ['headroom', `these machines hold ${formatCount(plan.mostRobots)} robots`],
  ];
  if (fleet.placement === 'hashed') {
    const even = planFleet(costs, { ...fleet, placement: 'even' });
    lines.push([
      'even',
      `${formatCount(even.machines)} machines, holding ${formatCount(even.mostRobots)} robots, if each had as many as the next`,
    ]);
  }
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n');
}

function parseShare(text: string): number {
  const value = parseNumber(text);
  if (value < 0 || value > 1) throw new InvalidArgumentError('Wanted a share from 0 to 1.');
  return value;
}

function parseUtilisation(text: string): number {
  const value = parseNumber(text);
  if (value <= 0 || value >= 1) throw new InvalidArgumentError('Wanted a share above 0 and below 1.');
  return value;
}

function parseTime(text: string): number {
  const value = parseNumber(text);
  if (value < 0) throw new InvalidArgumentError('Wanted milliseconds, at least 0.');
  return value;
}
