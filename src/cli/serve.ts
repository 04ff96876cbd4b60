/** `action-energy serve`: the gRPC service as a process. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { setLogger } from '@grpc/grpc-js';
import { Command } from 'commander';
import { pino, type Logger } from 'pino';
import { addConfigOptions, configFlags } from '../config/flags.js';
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { Engine, Precision } from '../engine/engine.js';
import { startEngine } from '../engine/start.js';
import { EngineThreads } from '../engine/threads.js';
import { Fault, invalid, toFault } from '../errors.js';
import { int8Objection } from '../calibration/report/precision.js';
import { loadCalibration } from '../calibration/store.js';
import { loadBundle, type ModelBundle } from '../model/bundle.js';
import { serverCredentials, unboundAddresses } from '../grpc/addresses.js';
import { findModelFolders } from '../serving/model-folders.js';
import type { EngineStarter } from '../serving/served-model.js';
import { startServer, type RunningServer } from '../grpc/server.js';
import { TokenStore } from '../serving/token-store.js';

/** Beyond the drain bound, for what does not stop by itself: the process is then killed (docs/limits.md). */
const HARD_STOP_MS = 2_000;
/** Of that, for the log to be written: it is not waited for, since it may be what hangs. */
const LAST_WORD_MS = 300;

/**
 * Slack of the heap between two full collections, in percent of what lives. V8 counts the messages that wait among the
 * heap, and with its own slack (40 percent of some 20 MB) every few requests with a context of 5 MB started a
 * collection, on several threads: a sixth of the processor at saturation.
 */
const HEAP_GROWING_PERCENT = 400;

const EXAMPLES = `
Every setting is also an environment variable (--max-tokens is ACTION_ENERGY_MAX_TOKENS) and a key of the settings file;
the flag wins over the variable, the variable over the file. All of them: docs/configuration.md.

Examples:
  $ action-energy serve                                 every bundle in models/, on 127.0.0.1:50051
  $ action-energy serve models/mine                     this one alone
  $ action-energy serve --model spatial=/srv/spatial --socket /run/action-energy.sock --address none
  $ action-energy serve --config server.yaml --check    report every problem and exit
  $ action-energy serve --address 0.0.0.0:50051 --tls-cert cert.pem --tls-key key.pem --tokens-file tokens.yaml

Signals:
  SIGTERM, SIGINT   finish what was accepted (--drain-ms), then exit 0; a second one exits at once
  SIGHUP            read tokens and models again, without failing a request

Probes: grpc.health.v1 (also for action_energy.v1.EnergyService/NAME), and http://127.0.0.1:9464/healthz, /readyz, /metrics.
`;

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('Serve models over gRPC.')
    .helpGroup('Service:')
    .argument(
      '[bundles...]',
      'model bundles to serve, each by the name of its folder (--model NAME=FOLDER for another name)',
    )
    .option('--check', 'check the settings, every file that they name and every address, then exit')
    .addHelpText('after', EXAMPLES);
  addConfigOptions(command);
  return command.action(async (bundles: string[]) => {
    const config = loadConfig({ ...withBundles(configFlags(command), bundles), env: process.env });
    if (command.opts<{ check?: boolean }>().check === true) {
      await checkFiles(config);
      process.stdout.write('The configuration is good.\n');
      return;
    }
    await serve(config, pino({ level: config.log.level }));
  });
}

/** Positional bundles as `--model NAME=FOLDER`. Errors: two of one name. */
function withBundles(given: ReturnType<typeof configFlags>, bundles: readonly string[]): typeof given {
  if (bundles.length === 0) return given;
  const named = bundles.map((folder) => [path.basename(path.resolve(folder)), folder] as const);
  const [twice] = named.find(([name], i) => named.findIndex(([other]) => other === name) !== i) ?? [];
  if (twice !== undefined) {
    throw invalid('bundles', 'two folders of one name', {
      found: twice,
      mend: 'Name one: --model NAME=FOLDER',
    });
  }
  const model = named.map(([name, folder]) => `${name}=${folder}`);
  const before = given.flags?.['model'] as readonly string[] | undefined;
  return { ...given, flags: { ...given.flags, model: [...(before ?? []), ...model] } };
}

function engineStarter(
  { provider, threads, precision, deviceId }: Config['engine'],
  engineThreads: EngineThreads,
  log: Logger,
): EngineStarter {
  const start = (bundle: ModelBundle, chosen: Precision): Promise<Engine> =>
    startEngine(bundle, { ...options, precision: chosen }, engineThreads);
  const options = {
    provider,
    threads: threads ?? availableParallelism(),
    ...(deviceId === undefined ? {} : { deviceId }),
  };
  return async (bundle) => {
    if (precision !== 'auto') return start(bundle, precision);
    const exact = await start(bundle, 'float32');
    const objection =
      exact.info.provider === 'cpu'
        ? await objectionToInt8(bundle)
        : `int8 is for CPUs, not ${exact.info.provider}`;
    const chosen = { model: bundle.card.name, precision: objection === undefined ? 'int8' : 'float32' };
    log.info({ ...chosen, ...(objection !== undefined && { because: objection }) }, 'precision chosen');
    if (objection !== undefined) return exact;
    await exact.close();
    return start(bundle, 'int8');
  };
}

async function objectionToInt8({ directory, digest, card }: ModelBundle): Promise<string | undefined> {
  try {
    const calibration = await loadCalibration(directory, digest);
    return int8Objection(calibration, card.int8_agreement);
  } catch (error) {
    return toFault(error).message;
  }
}

/** Everything that starting would read or bind; all problems in one fault. */
async function checkFiles(config: Config): Promise<void> {
  const problems: string[] = [];
  const check = async (run: () => unknown): Promise<void> => {
    try {
      await run();
    } catch (error) {
      problems.push(toFault(error).message);
    }
  };
  await check(() => serverCredentials(config.tls));
  const { tokensFile } = config.auth;
  if (tokensFile !== undefined) await check(() => new TokenStore(tokensFile));
  await check(async () => {
    const folders = await findModelFolders(config.models);
    for (const folder of folders.values()) await check(() => loadBundle(folder));
    const wanted = config.models.default;
    if (wanted !== undefined && !folders.has(wanted)) {
      problems.push(`models.default: found ${wanted}; wanted ${[...folders.keys()].join(', ')}`);
    }
  });
  problems.push(...(await unboundAddresses(config)));
  if (problems.length > 0) {
    throw new Fault(
      'invalid',
      `the configuration cannot be served\n${problems.map((text) => `  - ${text}`).join('\n')}`,
    );
  }
}

/** Serves until a signal or a failed engine ends it; resolves never otherwise. */
async function serve(config: Config, log: Logger): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
  setLogger(grpcLogger(log));
  const threads = new EngineThreads(1); // models are loaded one after the other
  const starting = startServer(config, { log, startEngine: engineStarter(config.engine, threads, log) });
  // before it says that it serves: a signal may come on the word
  const stopping = new Stopping(starting, log);
  process.on('SIGTERM', () => stopping.stop(config.lifecycle.drainMs, 0));
  process.on('SIGINT', () => stopping.stop(config.lifecycle.drainMs, 0));
  const server = await starting;
  threads.giveWay(); // from here on those that serve come first
  process.on('SIGHUP', () => {
    server
      .reload()
      .catch((error: unknown) => log.error({ err: toFault(error) }, 'reload failed; the old state goes on'));
  });
  await server.failed;
  // Callers that still wait have their answers; a supervisor starts the process again.
  if (!stopping.begun) stopping.stop(config.lifecycle.crashExitMs, 1);
}

/** What grpc-js would print beside our lines: what matters of it, ours say. */
function grpcLogger(log: Logger): Partial<Console> {
  const line = (...parts: unknown[]): void => log.debug({ library: 'grpc-js' }, parts.map(String).join(' '));
  return { error: line, info: line, debug: line };
}

/** Closes the server and exits; at once when asked a second time, and when closing takes longer than it may. */
class Stopping {
  /** Asked to stop while it starts, it does so when it has started. */
  readonly #server: Promise<RunningServer>;
  readonly #log: Logger;
  #begun = false;

  constructor(server: Promise<RunningServer>, log: Logger) {
    this.#server = server;
    this.#log = log;
  }

  get begun(): boolean {
    return this.#begun;
  }

  stop(drainMs: number, exitCode: number): void {
    if (this.#begun) endAtOnce();
    this.#begun = true;
    const hardStop = setTimeout(
      () => {
        this.#log.error({ drainMs }, 'not stopped in time: something hangs');
        setTimeout(endAtOnce, LAST_WORD_MS);
      },
      drainMs + HARD_STOP_MS - LAST_WORD_MS,
    );
    void this.#server
      .then((server) => server.close(drainMs))
      .then(() => exitCode)
      .catch((error: unknown) => {
        this.#log.error({ err: toFault(error) }, 'stopping failed');
        return 1;
      })
      .then((code) => {
        clearTimeout(hardStop);
        process.exit(code);
      });
  }
}

/** Ends whatever hangs: an exit would wait for threads, one that reads a dead disk or an engine that computes for ever. */
function endAtOnce(): never {
  process.kill(process.pid, 'SIGKILL');
  return process.abort(); // the first process of a container cannot be killed from inside
}
