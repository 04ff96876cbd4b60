/**
 * The whole service. It starts in order: models warm, then metrics, then gRPC listens. It stops in reverse: health says
 * NOT_SERVING, new calls are refused, accepted ones finish within a bound, then connections, models, metrics.
 */
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import { hostPort } from '../config/checks.js';
import type { Config } from '../config/schema.js';
import { Fault, toFault } from '../errors.js';
import { startMetricsServer, type MetricsServer } from '../metrics/http.js';
import { systemClock } from '../batching/clock.js';
import { createMetrics, type Metrics } from '../metrics/metrics.js';
import { logRefusals } from '../metrics/refusal-summary.js';
import { Recorder } from '../recording/recorder.js';
import { contract } from '../wire/contract.js';
import { CallsUnderWay, CallTraces, type Callers } from './transport/call-scope.js';
import { serverCredentials, checkAddresses, listen } from './addresses.js';
import { gate } from './transport/gate.js';
import { addMethods, ruleOf } from './methods.js';
import { isHealthy, updateHealth, type HealthStates } from './transport/health.js';
import { ExpectedWait } from '../serving/admission.js';
import { collectAtRest } from '../serving/memory-at-rest.js';
import { defaultMemoryBytes, MemoryBudget } from '../serving/memory-budget.js';
import { findModelFolders } from '../serving/model-folders.js';
import { ModelRegistry } from '../serving/model-registry.js';
import { sampleOf, startModel, type EngineStarter } from '../serving/served-model.js';
import { onnxRuntimeVersion, programVersion } from '../versions.js';
import { TokenStore } from '../serving/token-store.js';
import { Trainer } from '../serving/trainer.js';
import { StandingCalls } from './transport/standing-calls.js';
import { createGrpcServer } from './transport/transport.js';

export interface ServerParts {
  readonly log: Logger;
  readonly startEngine: EngineStarter;
}

export interface RunningServer {
  /** Where gRPC listens: `host:port`, `unix:/path`. */
  readonly addresses: readonly string[];
  /** Port of /metrics; undefined without. */
  readonly metricsPort: number | undefined;
  /** Resolves with the cause when an engine dies; the server then answers that it is unhealthy and wants to be closed. */
  readonly failed: Promise<Fault>;
  /** Reads tokens and all models again. Errors as `Reload`; what could not be read stays as it was. */
  reload(): Promise<void>;
  /** Finishes accepted calls, within `lifecycle.drainMs` unless told otherwise, and stops everything. Idempotent. */
  close(drainMs?: number): Promise<void>;
}

/** After the last answer, how long clients have to take it before their connections are cut. */
const FLUSH_MS = 500;

/** Resolves when warm and listening. Errors: what the configuration names and cannot be used; nothing stays behind. */
export async function startServer(config: Config, { log, startEngine }: ServerParts): Promise<RunningServer> {
  const cleanups: (() => Promise<void> | void)[] = [];
  const health = new HealthImplementation();
  const calls = new CallsUnderWay();
  const callers: Callers = new WeakMap();
  const traces = new CallTraces();
  const standing = new StandingCalls();
  let listening = false;
  let models: ModelRegistry | undefined;
  const states = (): HealthStates => ({
    serving: listening && !calls.stopping.aborted,
    models: models?.states ?? [],
  });
  try {
    const credentials = serverCredentials(config.tls);
    await checkAddresses(config);
    const tokens = openTokens(config, log, cleanups);
    tokens?.onReload(() => standing.admitAgain());
    const { limits, keepalive } = config;
    const budget = new MemoryBudget(limits.memoryBytes ?? defaultMemoryBytes());
    const build = {
      version: programVersion(),
      node: process.versions.node,
      onnxruntime: onnxRuntimeVersion(),
    };
    const metrics = createMetrics(
      () => models?.models.map(sampleOf) ?? [],
      () => ({ budget: { taken: budget.accounts, limitBytes: budget.limit }, build }),
    );
    cleanups.push(collectAtRest(budget, systemClock));
    cleanups.push(logRefusals(metrics, log, systemClock));
    const kept = budget.keptLimit / (await findModelFolders(config.models)).size;
    const contexts = { ...config.contexts, bytes: Math.min(config.contexts.bytes, Math.floor(kept)) };
    models = await ModelRegistry.start({
      folders: () => findModelFolders(config.models),
      start: (name, directory, signal) =>
        startModel(
          name,
          directory,
          {
            startEngine,
            batching: config.batching,
            contexts,
            quality: config.quality,
            selection: config.selection,
            metrics,
            log,
          },
          signal,
        ),
      defaultName: config.models.default,
      drainMs: config.lifecycle.drainMs,
      metrics,
      log,
      onChange: () => updateHealth(health, states()),
    });
    const registry = models;
    budget.countKept(registry);
    const recorder = await openRecorder(config, metrics, log);
    if (recorder) cleanups.push(() => recorder.close());
    const metricsServer = await openMetrics(config, metrics.registry, states);
    if (metricsServer) cleanups.push(() => metricsServer.close());

    const server = createGrpcServer(
      {
        ...limits,
        peerConnections: limits.peerConnections ?? Math.ceil(limits.connections / 2),
        rules: ruleOf,
        budget,
        metrics,
        traces,
        keepaliveTimeMs: keepalive.timeMs,
        keepaliveTimeoutMs: keepalive.timeoutMs,
      },
      [
        gate({
          rules: ruleOf,
          tokens,
          callers,
          traces,
          standing,
          models: registry,
          wait: new ExpectedWait(),
          metrics,
          log,
        }),
      ],
    );
    addMethods(server, {
      calls,
      callers,
      traces,
      metrics,
      log,
      models: registry,
      limits,
      contexts,
      ...(recorder && { recorder }),
      calibration: config.calibration,
      calibrating: new Set(),
      trainer: Trainer.of(config, budget),
    });
    health.addToServer(server);
    new ReflectionService(contract.packages).addToServer(server);
    cleanups.push(() => server.forceShutdown());
    const addresses = await listen(server, config, credentials);
    listening = true;
    updateHealth(health, states());
    log.info(
      {
        addresses,
        metricsPort: metricsServer?.port,
        models: registry.models.map(({ name }) => name),
        defaultModel: registry.defaultName,
      },
      'serving',
    );

    let closing: Promise<void> | undefined;
    const close = async (drainMs: number): Promise<void> => {
      log.info({ drainMs }, 'stopping');
      const idle = calls.stop();
      updateHealth(health, states());
      await Promise.all([within(drainMs, idle), registry.close(drainMs)]);
      await within(FLUSH_MS, new Promise((resolve) => server.tryShutdown(resolve)));
      await runAll(cleanups);
      log.info('stopped');
    };
    return {
      addresses,
      metricsPort: metricsServer?.port,
      failed: registry.failed,
      async reload() {
        // neither stops the other, and both are told
        const faults = [await faultOf(() => tokens?.reload()), await faultOf(() => registry.reload(''))];
        const [first, second] = faults.filter((fault) => fault !== undefined);
        if (first === undefined) return;
        throw second === undefined
          ? first
          : new Fault(first.kind, `${first.message}; ${second.message}`, { cause: first });
      },
      close: (drainMs = config.lifecycle.drainMs) => (closing ??= close(drainMs)),
    };
  } catch (error) {
    await models?.close(0);
    await runAll(cleanups);
    throw error;
  }
}

function openTokens(config: Config, log: Logger, cleanups: (() => void)[]): TokenStore | undefined {
  if (config.auth.tokensFile === undefined) return undefined;
  const file = config.auth.tokensFile;
  const tokens = new TokenStore(file);
  const warn = (): void => {
    const exposure = tokens.exposure();
    if (exposure !== undefined) log.warn({ file }, `the tokens file: ${exposure}`);
  };
  warn();
  tokens.onReload(warn);
  cleanups.push(
    tokens.watch((fault) => {
      if (fault) log.error({ err: fault }, 'the tokens file changed and cannot be used; the old tokens stay');
      else log.info('tokens read again');
    }),
  );
  return tokens;
}

async function openRecorder(
  { recording: { directory, share, maxBytes } }: Config,
  metrics: Metrics,
  log: Logger,
): Promise<Recorder | undefined> {
  if (directory === undefined) return undefined;
  const recorder = await Recorder.open({
    directory,
    share,
    maxBytes,
    clock: systemClock,
    log,
    onRow(model, outcome) {
      metrics.recordedRows.inc({ model, outcome });
    },
  });
  log.info({ directory, share, bytes: recorder.bytes, maxBytes }, 'recording');
  return recorder;
}

async function openMetrics(
  config: Config,
  registry: ReturnType<typeof createMetrics>['registry'],
  states: () => HealthStates,
): Promise<MetricsServer | undefined> {
  const address = hostPort(config.metrics.address);
  if (address === undefined) return undefined;
  return startMetricsServer(address, registry, {
    healthy: () => states().models.every(({ state }) => state !== 'FAILED'),
    ready: () => isHealthy(states()),
  });
}

async function faultOf(run: () => unknown): Promise<Fault | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return toFault(error);
  }
}

/** Waits for `done`, but not longer than `boundMs`. */
async function within(boundMs: number, done: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise((resolve) => {
    timer = setTimeout(resolve, boundMs);
  });
  await Promise.race([done, bound]);
  clearTimeout(timer);
}

/** Last registered first; one that fails does not keep the others from running. */
async function runAll(cleanups: (() => Promise<void> | void)[]): Promise<void> {
  const failures: Fault[] = [];
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      await cleanup();
    } catch (error) {
      failures.push(toFault(error));
    }
  }
  if (failures[0]) throw failures[0];
}
