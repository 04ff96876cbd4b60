/**
 * Every setting of the server, once: type, bounds, default and meaning. The YAML keys are the paths below; a flag is
 * `--FLAG`, its environment variable `ACTION_ENERGY_FLAG`. Help, the reference in docs/configuration.md and all checks follow
 * from here.
 */
import { z } from 'zod';
import { limits } from './limits.js';
import { auth, keepalive, listen, metrics, tls } from './reach.js';
import { delayMs, meta, MIB, path, size } from './values.js';
import { DEFAULT_BOUNDS, DEFAULT_QUEUE_BOUNDS } from '../batching/defaults.js';

const models = z.strictObject({
  directory: path
    .optional()
    .meta(
      meta(
        'models',
        'Folder of model bundles, each a folder with an energy.json. Default: models, or the one that the package brings where there is no such folder, unless --model is given',
      ),
    ),
  named: z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/), path)
    .default({})
    .meta(meta('model', 'NAME=FOLDER: a model bundle served as NAME; repeat for more')),
  default: z
    .string()
    .min(1)
    .optional()
    .meta(
      meta(
        'default-model',
        'Which model an empty model name means. Default: the bundled tiny-reach where it is served, else the first by name',
      ),
    ),
});

const engine = z.strictObject({
  provider: z
    .enum(['auto', 'cpu', 'cuda', 'webgpu'])
    .default('auto')
    .meta(
      meta(
        'provider',
        'Device that computes. auto takes the first that works and logs why others did not; a named one never falls back',
      ),
    ),
  threads: size
    .max(1024)
    .optional()
    .meta(meta('threads', 'CPU threads of each engine. Default: the cores of the machine')),
  precision: z
    .enum(['float32', 'int8', 'auto'])
    .default('float32')
    .meta(
      meta(
        'precision',
        'Arithmetic of the encoder; int8 is faster and less exact, auto takes it on a CPU where the calibration has measured that it chooses the same',
      ),
    ),
  deviceId: z.int().min(0).optional().meta(meta('device-id', 'Which GPU, counted from 0')),
});

const batching = z.strictObject({
  tokens: size
    .default(DEFAULT_BOUNDS.tokens)
    .meta(
      meta('batch-tokens', 'Tokens that one batch encodes, at most; a larger request is cut into pieces'),
    ),
  steps: size
    .default(DEFAULT_BOUNDS.steps)
    .meta(
      meta(
        'batch-steps',
        'Chunk steps (contexts x N x H) that one batch scores, at most; a larger request is cut into pieces',
      ),
    ),
  contexts: size
    .default(DEFAULT_BOUNDS.contexts)
    .meta(
      meta('batch-contexts', 'Contexts that one batch encodes, at most; a larger request is cut into pieces'),
    ),
  ms: delayMs
    .min(1)
    .default(DEFAULT_BOUNDS.ms)
    .meta(
      meta(
        'batch-ms',
        'Engine time of one batch or piece, at most about: what a request delays another. A piece is no smaller than one context to encode or some chunks of one context',
      ),
    ),
  queueItems: size
    .default(DEFAULT_QUEUE_BOUNDS.maxItems)
    .meta(meta('queue-items', 'Requests that may wait for an engine')),
  queueBytes: size
    .default(DEFAULT_QUEUE_BOUNDS.maxBytes)
    .meta(meta('queue-bytes', 'Memory of waiting requests')),
  clientShare: z
    .number()
    .positive()
    .max(1)
    .default(DEFAULT_QUEUE_BOUNDS.clientShare)
    .meta(meta('queue-client-share', 'Share of the queue that one client may hold')),
  patienceMs: delayMs
    .default(DEFAULT_QUEUE_BOUNDS.patienceMs)
    .meta(
      meta('queue-patience-ms', 'A request without a deadline waits its turn as if it had one this far away'),
    ),
});

const contexts = z.strictObject({
  bytes: size
    .default(1024 * MIB)
    .meta(meta('context-bytes', 'Memory of kept contexts, for each model; the least recently used go first')),
  leaseMs: delayMs
    .min(1)
    .default(60_000)
    .meta(
      meta(
        'context-lease-ms',
        'How long a kept context lives after its last use, when the request does not say',
      ),
    ),
  maxLeaseMs: delayMs
    .min(1)
    .default(3_600_000)
    .meta(meta('context-max-lease-ms', 'Longest lease that a request may ask for')),
});

const quality = z.strictObject({
  share: z
    .number()
    .min(0)
    .max(1)
    .default(0.05)
    .meta(
      meta(
        'quality-share',
        'Share of ScoreActions requests that are sampled for the live quality figures; 0 turns them off',
      ),
    ),
  negatives: size
    .min(2)
    .max(256)
    .default(8)
    .meta(
      meta(
        'quality-negatives',
        'Chunks of other moments that a sample is compared with; what a request may have to wait for when it meets one',
      ),
    ),
  chunksPerSecond: size
    .default(200)
    .meta(meta('quality-chunks-per-second', 'Most chunks that samples score, for each model')),
  patienceMs: delayMs
    .min(1)
    .default(1_000)
    .meta(meta('quality-patience-ms', 'How long a sample waits for an idle engine before it is dropped')),
});

const selection = z.strictObject({
  controlShare: z
    .number()
    .min(0)
    .max(0.5)
    .default(0)
    .meta(
      meta(
        'control-share',
        'Share of the episodes (requests without an episode_id: of the requests) in which SelectAction answers with the baseline although the gate accepts, so that reported outcomes can be compared',
      ),
    ),
});

const recording = z.strictObject({
  directory: path
    .optional()
    .meta(
      meta(
        'record',
        'Folder in which a share of the decisions of SelectAction is kept with what was executed and its outcome, in the layout of calibration data. Default: nothing is recorded',
      ),
    ),
  share: z
    .number()
    .min(0)
    .max(1)
    .default(0.05)
    .meta(
      meta(
        'record-share',
        'Share of the episodes (requests without an episode_id: of the requests) that is recorded',
      ),
    ),
  maxBytes: size
    .default(10 * 1024 * MIB)
    .meta(meta('record-bytes', 'Most that the folder may hold; when it is full nothing is recorded')),
});

const calibration = z.strictObject({
  directory: path
    .optional()
    .meta(
      meta(
        'calibration-directory',
        "Where the data of Calibrate and Evaluate are kept while they run. Default: the system's temporary folder",
      ),
    ),
  maxBytes: size
    .default(64 * 1024 * MIB)
    .meta(
      meta(
        'max-calibration-bytes',
        'Most data of one Calibrate or Evaluate; a twentieth of the file system, at most 1 GiB, stays free whatever this says',
      ),
    ),
  idleMs: delayMs
    .min(100)
    .default(60_000)
    .meta(
      meta(
        'calibration-idle-ms',
        'A Calibrate or Evaluate whose client sends nothing for this long is ended',
      ),
    ),
});

const training = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .meta(
      meta(
        'training',
        'Take TrainStep: training on batches that a client sends, one session at a time, saved into the models folder',
      ),
    ),
  threads: size
    .max(1024)
    .default(1)
    .meta(meta('training-threads', 'CPU threads of a training session; they give way to the engines')),
  idleMs: delayMs
    .min(100)
    .default(600_000)
    .meta(meta('training-idle-ms', 'A TrainStep whose client sends nothing for this long is ended')),
});

const lifecycle = z.strictObject({
  drainMs: delayMs
    .default(30_000)
    .meta(meta('drain-ms', 'After SIGTERM, how long accepted requests may take to finish')),
  crashExitMs: delayMs
    .default(2_000)
    .meta(meta('crash-exit-ms', 'After an engine died, how long until the process exits')),
});

const log = z.strictObject({
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .meta(meta('log-level', 'debug logs one line a request')),
});

const section = <T extends z.ZodObject>(schema: T, title: string) =>
  schema.prefault({} as z.input<T>).meta({ description: title });

export const configSchema = z.strictObject({
  models: section(models, 'Models'),
  engine: section(engine, 'Engine'),
  listen: section(listen, 'Listening'),
  tls: section(tls, 'TLS'),
  auth: section(auth, 'Authentication'),
  limits: section(limits, 'Limits'),
  keepalive: section(keepalive, 'Keepalive'),
  batching: section(batching, 'Batching'),
  contexts: section(contexts, 'Kept contexts'),
  quality: section(quality, 'Live quality'),
  selection: section(selection, 'Selection'),
  recording: section(recording, 'Recording'),
  calibration: section(calibration, 'Calibration'),
  training: section(training, 'Training'),
  lifecycle: section(lifecycle, 'Lifecycle'),
  metrics: section(metrics, 'Metrics'),
  log: section(log, 'Log'),
});

export type Config = Readonly<z.infer<typeof configSchema>>;
