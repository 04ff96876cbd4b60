/**
 * `npm run make:demo`: trains the bundled model with our own trainer, makes its example data, calibrates it, and lets it choose
 * in closed loop through a server, beside the policy alone, a random candidate and the consensus, on several variants of the
 * task. Writes models/, the table in README.md and docs/demo.svg. `--quick` is smaller and writes into dist/demo-run.
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { pino } from 'pino';
import { loadCalibration } from '../src/calibration/store.js';
import { VERDICT_TEXT } from '../src/calibration/choice/verdict.js';
import { EnergyClient } from '../src/client/energy-client.js';
import { loadConfig } from '../src/config/load.js';
import { startEngine } from '../src/engine/start.js';
import { startServer } from '../src/grpc/server.js';
import { loadBundle } from '../src/model/bundle.js';
import { ARMS, runArm, type Arm } from './closed-loop.js';
import { actionEnergy, ROOT } from './command.js';
import { calibrationFile, exampleFile } from './example-data.js';
import { exploiting } from './exploit.js';
import { asSampled, type EpisodesOptions } from './moments.js';
import { FAULTS, TWO_WAYS, type PolicyFaults } from './policy.js';
import { picture, tables, type VariantResult } from './score-card.js';
import { trainModel, type TrainingSizes } from './train-model.js';

interface Sizes {
  readonly training: TrainingSizes;
  readonly blind: TrainingSizes;
  readonly calibrationRows: number;
  readonly episodes: number;
}

const FULL: Sizes = {
  training: { rows: 3000, candidates: 16, updates: 800, rankUpdates: 600 },
  blind: { rows: 1000, candidates: 8, updates: 200, rankUpdates: 100 },
  calibrationRows: 768,
  episodes: 250,
};
const QUICK: Sizes = {
  training: { rows: 1000, candidates: 8, updates: 150, rankUpdates: 150 },
  blind: { rows: 300, candidates: 8, updates: 50, rankUpdates: 50 },
  calibrationRows: 256,
  episodes: 60,
};

/** N of the closed loop and of the calibration. */
const CANDIDATES = 8;
/** Seeds of what is drawn apart from the training. */
const CALIBRATION_SEED = 1_000_003;
const EXAMPLE_SEED = 2_000_003;
const EPISODE_SEED = 3_000_017;
const MODEL = 'tiny-reach';
const EXPLOITABLE_SHARE = 0.01;

interface Variant {
  /** Name of the model that is served for it. */
  readonly model: string;
  readonly name: string;
  readonly faults: PolicyFaults;
  readonly isExploited: boolean;
}

const VARIANTS: readonly Variant[] = [
  { model: MODEL, name: 'as trained', faults: FAULTS, isExploited: false },
  { model: 'two-ways', name: 'two ways about equally likely', faults: TWO_WAYS, isExploited: false },
  { model: 'blind', name: 'a model trained blind', faults: FAULTS, isExploited: false },
  { model: 'exploitable', name: '1 percent of the candidates fool it', faults: FAULTS, isExploited: true },
];

const program = new Command('make:demo')
  .description('train the bundled model, calibrate it, let it choose in closed loop')
  .option('--quick', 'smaller; writes into dist/demo-run and leaves models/, README.md and docs/ alone')
  .option('--seed <number>', 'of the training', Number, 7);
program.parse();
const { quick, seed } = program.opts<{ quick?: true; seed: number }>();

const directory = path.join(ROOT, 'dist', 'demo-run');
const sizes = quick === true ? QUICK : FULL;
await rm(directory, { recursive: true, force: true });
await mkdir(directory, { recursive: true });

const startMs = performance.now();
const stage = (text: string): void => {
  process.stdout.write(`\n[${((performance.now() - startMs) / 1000).toFixed(0)} s] ${text}\n`);
};

stage('training');
const common = { directory, seed, output: 'inherit' } as const;
const bundle = await trainModel({ ...common, name: MODEL, sizes: sizes.training, isBlind: false });
stage('training, blind');
await trainModel({ ...common, name: 'blind', sizes: sizes.blind, isBlind: true });
for (const { model } of VARIANTS) {
  const to = path.join(directory, 'models', model);
  if (model !== MODEL && model !== 'blind') await cp(bundle, to, { recursive: true });
}
await exampleFile(path.join(directory, 'models', 'examples', `${MODEL}.safetensors`), EXAMPLE_SEED);

const server = await startServer(
  loadConfig({
    flags: {
      models: path.join(directory, 'models'),
      address: '127.0.0.1:0',
      'metrics-address': 'none',
      'quality-share': '0',
    },
  }),
  {
    log: pino({ level: 'silent' }),
    startEngine: (each) => startEngine(each, { provider: 'cpu', threads: 1 }),
  },
);
const client = await EnergyClient.open({ address: server.addresses[0]! });
const results: VariantResult[] = [];
try {
  for (const variant of VARIANTS) {
    stage(variant.name);
    results.push(await measure(variant));
  }
} finally {
  client.close();
  await server.close();
}
await report();

/** Calibrates for the policy of the variant, then lets every arm choose in the same episodes. */
async function measure({ model, name, faults, isExploited }: Variant): Promise<VariantResult> {
  const propose = isExploited ? exploiting(client, model, EXPLOITABLE_SHARE) : asSampled;
  const options: EpisodesOptions = { faults, propose, candidates: CANDIDATES, seed: CALIBRATION_SEED };
  const folder = path.join(directory, 'models', model);
  const data = path.join(directory, 'models', 'examples', `${model}-calibration.safetensors`);
  await calibrationFile(data, options, sizes.calibrationRows);
  await actionEnergy('ignore', 'calibrate', folder, data, '--threads', '2');
  await client.reload(model);
  const calibration = (await loadCalibration(folder, (await loadBundle(folder)).digest))!;
  const { reasons } = calibration.report.verdict;
  process.stdout.write(`Verdict: ${VERDICT_TEXT[calibration.verdict]}\n${reasons.join('\n')}\n`);
  const successes = new Map<Arm, Float64Array>();
  for (const arm of ARMS) {
    const played = await runArm(client, model, arm, { ...options, seed: EPISODE_SEED }, sizes.episodes);
    successes.set(arm, played);
    const mean = played.reduce((sum, value) => sum + value, 0) / played.length;
    process.stdout.write(`${arm.padEnd(16)} ${(100 * mean).toFixed(1)} percent\n`);
  }
  return {
    name,
    successes,
    verdict: VERDICT_TEXT[calibration.verdict],
    rule: calibration.choice?.best ? `\`${calibration.choice.best.rule}\`` : 'the policy',
  };
}

async function report(): Promise<void> {
  const table = tables(results);
  process.stdout.write(`\n${table}\n`);
  const svg = picture(results);
  if (quick === true) {
    await writeFile(path.join(directory, 'demo.svg'), svg);
    stage(`done: ${directory}`);
    return;
  }
  const to = path.join(ROOT, 'models');
  await cp(bundle, path.join(to, MODEL), {
    recursive: true,
    filter: (source) => !source.endsWith('.html'),
  });
  for (const file of [`${MODEL}.safetensors`, `${MODEL}-calibration.safetensors`]) {
    await cp(path.join(directory, 'models', 'examples', file), path.join(to, 'examples', file));
  }
  await writeFile(path.join(ROOT, 'docs', 'demo.svg'), svg);
  const readme = path.join(ROOT, 'README.md');
  const text = await readFile(readme, 'utf8');
  await writeFile(readme, text.replace(/(<!-- demo -->\n)[^]*?(<!-- \/demo -->)/, `$1\n${table}\n\n$2`));
  stage('done: models/, README.md, docs/demo.svg');
}
