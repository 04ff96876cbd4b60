/**
 * Every metric of the service, with what it tells. A registry of its own: nothing is registered process-wide.
 * Durations in seconds; label `model` is the model's name.
 */
import { registerQualitySeries, type QualitySample } from './quality-series.js';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export const STAGES = ['decode', 'queue', 'encode', 'score', 'respond'] as const;
export type Stage = (typeof STAGES)[number];

/** From 0.1 ms, a small decode, to 10 s, a queue that nobody should have. */
const SECONDS = [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const COUNTS = [1, 4, 16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];
const WORKS = [1, 2, 4, 8, 16, 32, 64, 128];
/** Fine where a sigmoid readout lives (0.1 to 2.1), coarse beyond, for linear ones. */
const ENERGIES = [-10, -3, -1, -0.3, 0, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2, 2.1, 3, 10, 30];

const MARGINS = [0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/** What the gauges read at each scrape; one for each served model. */
export interface ModelSample extends QualitySample {
  readonly queueDepth: number;
  readonly queueBytes: number;
  readonly cache: {
    readonly entries: number;
    readonly bytes: number;
    readonly hits: number;
    readonly misses: number;
    readonly evictions: Readonly<Record<string, number>>;
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

/** `sample` is called at each scrape. */
export function createMetrics(sample: () => readonly ModelSample[]) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry }); // process figures and event-loop lag

  const rpc = ['grpc_type', 'grpc_service', 'grpc_method'] as const;
  const gauge = (name: string, help: string, read: (sample: ModelSample) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['model'],
      registers,
      collect() {
        this.reset();
        for (const each of sample()) this.set({ model: each.model }, read(each));
      },
    });
  };
  /** A counter that somebody else counts. */
  const total = (
    name: string,
    help: string,
    label: string,
    read: (sample: ModelSample) => Record<string, number>,
  ): void => {
    new Counter({
      name,
      help,
      labelNames: ['model', label],
      registers,
      collect() {
        this.reset();
        for (const each of sample()) {
          for (const [value, count] of Object.entries(read(each)))
            this.inc({ model: each.model, [label]: value }, count);
        }
      },
    });
  };

  gauge('action_energy_queue_depth', 'Requests waiting for the engine', (each) => each.queueDepth);
  gauge('action_energy_queue_bytes', 'Memory of requests waiting for the engine', (each) => each.queueBytes);
  gauge('action_energy_context_cache_entries', 'Kept contexts', (each) => each.cache.entries);
  gauge('action_energy_context_cache_bytes', 'Memory of kept contexts', (each) => each.cache.bytes);
  total(
    'action_energy_context_cache_lookups_total',
    'Kept contexts asked for, by id',
    'outcome',
    ({ cache }) => ({
      hit: cache.hits,
      miss: cache.misses,
    }),
  );
  total(
    'action_energy_context_cache_evictions_total',
    'Kept contexts that went: lru means that the cache is too small, expired that leases are too short',
    'reason',
    ({ cache }) => ({ ...cache.evictions }),
  );

  registerQualitySeries(registry, sample);

  return {
    registry,
    rpcStarted: new Counter({
      name: 'grpc_server_started_total',
      help: 'Calls started',
      labelNames: rpc,
      registers,
    }),
    rpcHandled: new Counter({
      name: 'grpc_server_handled_total',
      help: 'Calls completed, by status code',
      labelNames: [...rpc, 'grpc_code'],
      registers,
    }),
    rpcSeconds: new Histogram({
      name: 'grpc_server_handling_seconds',
      help: 'From the headers of a call to its status',
      labelNames: rpc,
      buckets: SECONDS,
      registers,
    }),
    rpcReceived: new Counter({
      name: 'grpc_server_msg_received_total',
      help: 'Messages received',
      labelNames: rpc,
      registers,
    }),
    rpcSent: new Counter({
      name: 'grpc_server_msg_sent_total',
      help: 'Messages sent',
      labelNames: rpc,
      registers,
    }),
    stageSeconds: new Histogram({
      name: 'action_energy_stage_seconds',
      help: 'Time of a request by stage; encode and score are those of its whole batch',
      labelNames: ['model', 'stage'],
      buckets: SECONDS,
      registers,
    }),
    batchTokens: new Histogram({
      name: 'action_energy_batch_tokens',
      help: 'Visible context tokens that a batch encoded',
      labelNames: ['model'],
      buckets: [0, ...COUNTS],
      registers,
    }),
    batchSteps: new Histogram({
      name: 'action_energy_batch_steps',
      help: 'Chunk steps (contexts x N x H) that a batch scored',
      labelNames: ['model'],
      buckets: [0, ...COUNTS],
      registers,
    }),
    batchWorks: new Histogram({
      name: 'action_energy_batch_requests',
      help: 'Requests in a batch; mostly 1 means that the engine is not the bottleneck',
      labelNames: ['model'],
      buckets: WORKS,
      registers,
    }),
    tokens: new Counter({
      name: 'action_energy_context_tokens_total',
      help: 'Tokens of inline contexts: visible ones are encoded, masked ones were sent for nothing (padding waste of the wire)',
      labelNames: ['model', 'kind'],
      registers,
    }),
    engineBusySeconds: new Counter({
      name: 'action_energy_engine_busy_seconds_total',
      help: 'Time in which the engine ran a batch; its rate is the busy ratio',
      labelNames: ['model'],
      registers,
    }),
    deadlineSlackSeconds: new Histogram({
      name: 'action_energy_deadline_slack_seconds',
      help: 'Time left until the deadline when a request goes to the engine',
      labelNames: ['model'],
      buckets: SECONDS,
      registers,
    }),
    rejections: new Counter({
      name: 'action_energy_rejections_total',
      help: 'Requests that ended without a result, by reason; without a model when all were full and the message was not read',
      labelNames: ['model', 'reason'],
      registers,
    }),
    energy: new Histogram({
      name: 'action_energy_energy',
      help: 'Energies as the model card defines them: of the best candidate, and of the others',
      labelNames: ['model', 'candidate'],
      buckets: ENERGIES,
      registers,
    }),
    margin: new Histogram({
      name: 'action_energy_top_margin',
      help: 'How far the best candidate lies below the second, as the model card defines energies; near 0 the choice is arbitrary',
      labelNames: ['model'],
      buckets: MARGINS,
      registers,
    }),
    qualitySamples: new Counter({
      name: 'action_energy_quality_samples_total',
      help: 'Requests drawn for live quality: taken, or why not (budget, outstanding, few_chunks, busy, failed)',
      labelNames: ['model', 'outcome'],
      registers,
    }),
    calibrationProgress: new Gauge({
      name: 'action_energy_calibration_progress_ratio',
      help: 'Share of the rows that a running Calibrate or Evaluate has scored; absent when none runs',
      labelNames: ['model'],
      registers,
    }),
    reloads: new Counter({
      name: 'action_energy_reloads_total',
      help: 'Models loaded, at the start and by reloads',
      labelNames: ['model', 'outcome'],
      registers,
    }),
    modelInfo: new Gauge({
      name: 'action_energy_model_info',
      help: '1 for what is served now',
      labelNames: ['model', 'digest', 'architecture', 'provider'],
      registers,
    }),
  };
}
