/**
 * What a calibration costs beside encoding its contexts once: D 4096, S 300, H 8, h 512, bfloat16, a model of random weights.
 * Each row runs in a process of its own, so that its peak memory is its own. Prints ratios.
 *
 *   npm run bench:calibration -- [--rows M] [--threads N] [--batch B] [--save]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { calibrate } from '../src/calibration/calibrate.js';
import {
  engineContext,
  openCalibrationData,
  type CalibrationData,
} from '../src/calibration/data/calibration-data.js';
import { scoreContexts, type OfflineContext } from '../src/offline/score-contexts.js';
import { seededRandom } from '../src/random.js';
import type { Engine } from '../src/engine/engine.js';
import { startEngine } from '../src/engine/start.js';
import { cardSchema, type ModelCard } from '../src/model/card.js';
import { expectedParameters } from '../src/model/parameters.js';
import { numberToBfloat16, float32Tensor, type Tensor } from '../src/tensor/tensor.js';
import { saveResult } from './results.js';
import { markdownTable, verdict } from './table.js';

const [D, S, H, A] = [4096, 300, 8, 7];
const MIB = 1024 ** 2;

const card: ModelCard = cardSchema.parse({
  format: 'action-energy/1',
  architecture: 'cross_attention',
  name: 'bench',
  activation: 'relu',
  readout: { kind: 'sigmoid' },
  state_dim: D,
  action_dim: A,
  hidden: 512,
  heads: 8,
  blocks: { state: 1, action: 1, head: 2 },
  tau: 0.5,
  actions: { units: 'normalized_q99', gripper: { index: 6, coding: 'zero_one' } },
  mask_polarity: 'true_is_ignored',
});

interface Measured {
  readonly wallSeconds: number;
  readonly encodeSeconds: number;
  readonly scoreSeconds: number;
  readonly peakBytes: number;
}

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '400' },
    threads: { type: 'string', default: '0' },
    batch: { type: 'string', default: '16' },
    save: { type: 'boolean', default: false },
    /** Set in the processes that measure. */
    run: { type: 'string' },
    file: { type: 'string' },
  },
});

if (flags.run === undefined) await compare(Number(flags.rows));
else process.stdout.write(`${JSON.stringify(await measure(flags.run, flags.file!))}\n`);

async function compare(rows: number): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-bench-'));
  try {
    const once = path.join(directory, 'once.safetensors');
    const twice = path.join(directory, 'twice.safetensors');
    await writeData(once, rows);
    await writeData(twice, 2 * rows);
    const encode = await inProcess('encode', once);
    const small = await inProcess('calibrate', once);
    const large = await inProcess('calibrate', twice);
    const row = (
      name: string,
      { wallSeconds, encodeSeconds, scoreSeconds, peakBytes }: Measured,
    ): string[] => [
      name,
      wallSeconds.toFixed(1),
      encodeSeconds.toFixed(1),
      scoreSeconds.toFixed(1),
      (wallSeconds / encodeSeconds).toFixed(2), // a busy machine slows both parts of one run alike, but not two runs
      (peakBytes / MIB).toFixed(0),
    ];
    const apart = ({ wallSeconds }: Measured, contexts: number): string => {
      const ratio = wallSeconds / contexts / (encode.wallSeconds / rows);
      return ratio.toFixed(2) + verdict(ratio, 2, 'most');
    };
    const table = [
      markdownTable(
        ['', 'wall s', 'of it encoding', 'scoring', 'wall / its own encoding', 'peak MiB'],
        [
          row(`encode ${rows} contexts once`, encode),
          row(`calibrate on ${rows}`, small),
          row(`calibrate on ${2 * rows}`, large),
        ],
      ),
      '',
      `Wall time over encoding as many contexts once: ${apart(small, rows)}; for twice the contexts: ${apart(large, 2 * rows)}.`,
      `Peak memory of twice the contexts: ${(large.peakBytes / small.peakBytes).toFixed(2)} times.`,
    ].join('\n');
    process.stdout.write(`${table}\n`);
    if (flags.save)
      await saveResult('calibration', { command: `npm run bench:calibration -- --rows ${rows}`, table });
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function inProcess(run: string, file: string): Promise<Measured> {
  const { threads, batch } = flags;
  const self = fileURLToPath(import.meta.url);
  const args = [self, '--run', run, '--file', file, '--threads', threads, '--batch', batch];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Measured;
}

async function measure(run: string, file: string): Promise<Measured> {
  const inner = await startEngine(
    { card, weights: randomWeights() },
    { provider: 'cpu', threads: Number(flags.threads) },
  );
  const spent = { encodeMs: 0, scoreMs: 0 };
  const engine: Engine = {
    ...inner,
    info: inner.info,
    failed: inner.failed,
    close: () => inner.close(),
    run: async (batch) => {
      const result = await inner.run(batch);
      spent.encodeMs += result.encodeMs;
      spent.scoreMs += result.scoreMs;
      return result;
    },
  };
  const data = await openCalibrationData([file], card);
  const startMs = performance.now();
  if (run === 'encode') await encodeOnce(engine, data);
  else await calibrate({ engine, card, data, weightsDigest: '0'.repeat(64), batch: Number(flags.batch) });
  const wallSeconds = (performance.now() - startMs) / 1000;
  await data.close();
  await inner.close();
  return {
    wallSeconds,
    encodeSeconds: spent.encodeMs / 1000,
    scoreSeconds: spent.scoreMs / 1000,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** The contexts through the engine in the calibration's own batches, the next one read meanwhile; nothing scored. */
async function encodeOnce(engine: Engine, data: CalibrationData): Promise<void> {
  const size = Number(flags.batch);
  const read = async (start: number): Promise<OfflineContext[]> => {
    const contexts: OfflineContext[] = [];
    for (let row = start; row < Math.min(start + size, data.rows); row++) {
      contexts.push(await engineContext(data, row, card));
    }
    return contexts;
  };
  let next = read(0);
  for (let start = 0; start < data.rows; start += size) {
    const contexts = await next;
    next = read(start + size);
    await scoreContexts(engine, contexts, []);
  }
  await next;
}

function randomWeights(): Map<string, Tensor> {
  const random = seededRandom(1);
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of expectedParameters(card)) {
    const count = shape.reduce((product, size) => product * size, 1);
    const isGain = /layer_norm\d\.weight$|ffn\.0\.weight$/.test(name) ? 1 : 0;
    const scale = 1 / Math.sqrt(shape.at(-1)!);
    const values = Float32Array.from({ length: count }, () => isGain + scale * (2 * random.uniform() - 1));
    weights.set(name, float32Tensor(shape, values));
  }
  return weights;
}

/** Written context by context: a file larger than memory would do as well. */
async function writeData(file: string, rows: number): Promise<void> {
  const random = seededRandom(2);
  const contextBytes = S * D * 2;
  const actions = Float32Array.from({ length: rows * H * A }, (_, i) =>
    i % A === 6 ? random.below(2) : 2 * random.uniform() - 1,
  );
  const episodes = Int32Array.from({ length: rows }, (_, row) => Math.floor(row / 10));
  const parts: [string, string, number[], number][] = [
    ['hidden', 'BF16', [rows, S, D], rows * contextBytes],
    ['actions', 'F32', [rows, H, A], actions.byteLength],
    ['episode_id', 'I32', [rows], episodes.byteLength],
  ];
  let at = 0;
  const header = Object.fromEntries(
    parts.map(([name, dtype, shape, bytes]) => [name, { dtype, shape, data_offsets: [at, (at += bytes)] }]),
  );
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  // one pool of normal values, read from another place for each context
  const pool = Uint16Array.from({ length: S * D + 4096 }, () => numberToBfloat16(random.normal()));
  const handle = await open(file, 'w');
  try {
    await handle.write(length);
    await handle.write(text);
    for (let row = 0; row < rows; row++) {
      await handle.write(new Uint8Array(pool.buffer, 2 * random.below(4096), contextBytes));
    }
    await handle.write(new Uint8Array(actions.buffer));
    await handle.write(new Uint8Array(episodes.buffer));
  } finally {
    await handle.close();
  }
}
