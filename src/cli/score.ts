/** `action-energy score DIR FILE`: energies, ranking and probabilities of the chunks in a file. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { SingleBar } from 'cli-progress';
import { openScoreData } from '../data/score-data.js';
import { openTensorFile } from '../data/tensor-file.js';
import { loadBundle } from '../model/bundle.js';
import type { Pool } from '../model/card.js';
import type { Score } from '../model/energy.js';
import { engineFlags, startEngineFor, type EngineFlags } from './engine-flags.js';
import { parseInteger, parseNumber, parsePool } from './import-flags.js';
import { printJson } from './output.js';
import { formatScores, scoresJson, writeScores } from './score-output.js';
import { scoreFile } from './score-run.js';

/** Work on fewer contexts than this is over before a bar could be read. */
const PROGRESS_FROM_CONTEXTS = 32;

interface ScoreFlags extends EngineFlags {
  matrix?: true;
  steps?: true;
  score: Score;
  pool?: Pool;
  tau?: number;
  top?: number;
  output?: string;
  json?: true;
}

const LAYOUT = `
The data file (.safetensors, .npz or .pt) holds
  hidden      [B, S, D] or [S, D]; ragged [T, D] with offsets [B + 1]; [B, D] for a global_context model
  pad_mask    optional, hidden's shape without D; True marks a token to ignore
  candidates  [B, N, H, A], or [N, H, A] for one context
  actions     [B, H, A]: the chunk that belongs to each context; needed by --matrix, and scored when there are
              no candidates

Example:
  action-energy score models/tiny-reach models/examples/tiny-reach.safetensors --top 3 --matrix`;

export function scoreCommand(): Command {
  const command = new Command('score')
    .description('score the action chunks in a data file')
    .argument('<directory>', 'model bundle')
    .argument('<data>', 'data file')
    .option(
      '--matrix',
      'all contexts by all actions, with InfoNCE loss, accuracy, Positive and Negative Energy',
    )
    .option('--steps', 'print the energy of every step')
    .addOption(
      new Option(
        '--score <kind>',
        'readout: the energy; logit: the raw value, which a sigmoid does not saturate',
      )
        .choices(['readout', 'logit'])
        .default('readout'),
    )
    .option(
      '--pool <kind>',
      'mean | sum | first | weighted[:W0,W1,...] | discount:GAMMA (default: from the card)',
      parsePool,
    )
    .option('--tau <x>', 'temperature of probabilities and loss (default: from the card)', parsePositive)
    .option('--top <k>', 'print the k best candidates (default: all)', parseCount)
    .option('-o, --output <file>', 'also write the results as .safetensors')
    .option('--json', 'print JSON')
    .addHelpText('after', LAYOUT);
  return engineFlags(command).action((directory: string, data: string, flags: ScoreFlags) =>
    runScore(directory, data, flags),
  );
}

async function runScore(directory: string, path: string, flags: ScoreFlags): Promise<void> {
  const bundle = await loadBundle(directory);
  const { card } = bundle;
  const file = await openTensorFile(path);
  try {
    const data = await openScoreData(file, card);
    const options = {
      readout: card.readout,
      pool: flags.pool ?? card.pool,
      score: flags.score,
      tau: flags.tau ?? card.tau,
      matrix: flags.matrix === true,
    };
    const engine = await startEngineFor(bundle, flags);
    try {
      const bar = progressBar(data.contexts);
      const scores = await scoreFile(engine, data, options, (done) => bar?.update(done)).finally(() =>
        bar?.stop(),
      );
      if (flags.output !== undefined) await writeScores(flags.output, scores);
      const show = { steps: flags.steps === true, ...(flags.top === undefined ? {} : { top: flags.top }) };
      if (flags.json) {
        const { provider, precision, threads } = engine.info;
        const { pool, score, tau } = options;
        printJson({
          model: card.name,
          digest: bundle.digest,
          provider,
          precision,
          threads,
          pool,
          score,
          tau,
          ...scoresJson(scores, show),
        });
      } else {
        process.stdout.write(formatScores(scores, show));
      }
    } finally {
      await engine.close();
    }
  } finally {
    await file.close();
  }
}

function progressBar(contexts: number): SingleBar | undefined {
  if (!process.stderr.isTTY || contexts < PROGRESS_FROM_CONTEXTS) return undefined;
  const bar = new SingleBar({
    format: 'contexts {bar} {value}/{total}, {eta_formatted} left',
    stream: process.stderr,
    clearOnComplete: true,
  });
  bar.start(contexts, 0);
  return bar;
}

function parsePositive(text: string): number {
  const value = parseNumber(text);
  if (value <= 0) throw new InvalidArgumentError('Wanted a number above 0.');
  return value;
}

function parseCount(text: string): number {
  const value = parseInteger(text);
  if (value < 1) throw new InvalidArgumentError('Wanted an integer of at least 1.');
  return value;
}
