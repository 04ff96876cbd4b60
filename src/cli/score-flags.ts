/** What `score` and `client score` have in common: flags, the words about the data file, and the progress bar. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { SingleBar } from 'cli-progress';
import type { ModelCard, Pool } from '../model/card.js';
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import { CHOICE_SCORES } from '../calibration/choice/choice-schema.js';
import { invalid } from '../errors.js';
import type { Score } from '../model/energy.js';
import { parseInteger, parseNumber, parsePool } from './import-flags.js';
import type { ShowOptions } from './score-output.js';
import type { ScoreOptions } from '../offline/score-file.js';

/** Work on fewer contexts than this is over before a bar could be read. */
const PROGRESS_FROM_CONTEXTS = 32;

export interface ScoreFlags {
  matrix?: true;
  steps?: true;
  score: ChoiceScore;
  pool?: Pool;
  tau?: number;
  top?: number;
  output?: string;
  raw?: true;
  json?: true;
}

export const DATA_FILE_HELP = `
The data file (.safetensors, .npz or .pt) holds
  hidden      [B, S, D] or [S, D]; ragged [T, D] with offsets [B + 1]; [B, D] for a global_context model
  pad_mask    optional, hidden's shape without D; True marks a token to ignore
  candidates  [B, N, H, A], or [N, H, A] for one context
  actions     [B, H, A]: the chunk that belongs to each context; needed by --matrix, and scored when there are
              no candidates`;

export function addScoreFlags(command: Command): Command {
  return command
    .option(
      '--matrix',
      'all contexts by all actions, with InfoNCE loss, accuracy, Positive and Negative Energy',
    )
    .option('--steps', 'print the energy of every step')
    .addOption(
      new Option(
        '--score <kind>',
        "readout: the energy; logit: the raw value, which a sigmoid does not saturate; corrected: E/tau - log p(a), the calibration's better score with the prior of experts' chunks put back",
      )
        .choices(CHOICE_SCORES)
        .default('readout'),
    )
    .option(
      '--pool <kind>',
      'mean | sum | first | weighted[:W0,W1,...] | discount:GAMMA | windowed_max:STEPS (default: from the card)',
      parsePool,
    )
    .option(
      '--tau <x>',
      "temperature of probabilities and loss (default: the calibration's; without one the card's)",
      parsePositive,
    )
    .option('--raw', 'leave the calibration out: the temperature of the card, no p-values')
    .option('--top <k>', 'print the k best candidates (default: all)', parseCount)
    .option('-o, --output <file>', 'also write the results as .safetensors')
    .option('--json', 'print JSON');
}

/** What was asked for, the rest from the card. `corrected`: the score that the correction is of. */
export function scoreOptions(flags: ScoreFlags, card: ModelCard, corrected: Score = 'readout'): ScoreOptions {
  return {
    readout: card.readout,
    pool: flags.pool ?? card.pool,
    score: flags.score === 'corrected' ? corrected : flags.score,
    tau: flags.tau ?? card.tau,
    matrix: flags.matrix === true,
  };
}

/** Errors: flags beside `--score corrected` that it cannot be had with. */
export function checkCorrected({ score, raw, tau, pool, matrix }: ScoreFlags): void {
  if (score !== 'corrected') return;
  const [flag] = Object.entries({ '--raw': raw, '--tau': tau, '--pool': pool, '--matrix': matrix }).find(
    ([, value]) => value !== undefined,
  ) ?? [undefined];
  if (flag === undefined) return;
  throw invalid('--score', "the corrected score is the calibration's own, of the candidates of one context", {
    found: `--score corrected with ${flag}`,
    wanted: 'one of the two',
  });
}

export function showOptions({ steps, top, score }: ScoreFlags): ShowOptions {
  const column = score === 'corrected' ? 'corrected' : 'energy';
  return { steps: steps === true, column, ...(top === undefined ? {} : { top }) };
}

/** A bar on a terminal; undefined where nobody sees one, or for few contexts. */
export function progressBar(contexts: number): SingleBar | undefined {
  if (!process.stderr.isTTY || contexts < PROGRESS_FROM_CONTEXTS) return undefined;
  const bar = new SingleBar({
    format: 'contexts {bar} {value}/{total}, {eta_formatted} left',
    stream: process.stderr,
    clearOnComplete: true,
  });
  bar.start(contexts, 0);
  return bar;
}

export function parsePositive(text: string): number {
  const value = parseNumber(text);
  if (value <= 0) throw new InvalidArgumentError('Wanted a number above 0.');
  return value;
}

export function parseCount(text: string): number {
  const value = parseInteger(text);
  if (value < 1) throw new InvalidArgumentError('Wanted an integer of at least 1.');
  return value;
}
