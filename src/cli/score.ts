/** `action-energy score DIR FILE`: energies, ranking and probabilities of the chunks in a file. */
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import { applyCalibration } from '../calibration/apply.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import { loadCalibration } from '../calibration/store.js';
import { CORRECTED_TAU, priorCorrection, type Correction } from '../calibration/correction.js';
import { openScoreData, type ScoreData } from '../data/score-data.js';
import { openTensorFile } from '../data/tensor-file.js';
import { toFault } from '../errors.js';
import { loadBundle, type ModelBundle } from '../model/bundle.js';
import { probabilities, rank, type Score } from '../model/energy.js';
import { candidatesOf, scoreFile, type ContextScores, type FileScores } from '../offline/score-file.js';
import { engineFlags, startEngineFor, type EngineFlags } from './engine-flags.js';
import { interruptible, printJson } from './output.js';
import {
  addScoreFlags,
  checkCorrected,
  DATA_FILE_HELP,
  progressBar,
  scoreOptions,
  showOptions,
  type ScoreFlags,
} from './score-flags.js';
import { calibratedLine, formatScores, scoresJson, writeScores } from './score-output.js';

interface Flags extends ScoreFlags, EngineFlags {}

const EXAMPLE = `
Example:
  action-energy score models/tiny-reach models/examples/tiny-reach.safetensors --top 3 --matrix`;

export function scoreCommand(): Command {
  const command = new Command('score')
    .description('score the action chunks in a data file')
    .argument('<directory>', 'model bundle')
    .argument('<data>', 'data file')
    .addHelpText('after', `${DATA_FILE_HELP}\n${EXAMPLE}`);
  return engineFlags(addScoreFlags(command)).action((directory: string, data: string, flags: Flags) =>
    runScore(directory, data, flags),
  );
}

async function runScore(directory: string, path: string, flags: Flags): Promise<void> {
  checkCorrected(flags);
  const bundle = await loadBundle(directory);
  const { card } = bundle;
  const file = await openTensorFile(path);
  try {
    const data = await openScoreData(file, card);
    const calibration = await calibrationFor(bundle, flags);
    const correction = flags.score === 'corrected' ? priorCorrection(calibration) : undefined;
    const asked = scoreOptions(flags, card, correction?.score);
    const options = { ...asked, tau: calibration?.scores[asked.score].temperature.tau ?? asked.tau };
    const engine = await startEngineFor(bundle, flags);
    try {
      const bar = progressBar(data.contexts);
      const raw = await interruptible('nothing was written', () =>
        scoreFile(engine, data, options, (done) => bar?.update(done)),
      ).finally(() => bar?.stop());
      const calibrated = calibration ? calibratedScores(raw, calibration, options.score) : raw;
      const scores = correction ? await correctedScores(calibrated, data, correction) : calibrated;
      const tau = correction ? CORRECTED_TAU : options.tau;
      if (flags.output !== undefined) await writeScores(flags.output, scores);
      const show = showOptions(flags);
      if (flags.json) {
        const { provider, precision, threads } = engine.info;
        printJson({
          model: card.name,
          digest: bundle.digest,
          calibration_version: calibration?.version ?? '',
          provider,
          precision,
          threads,
          pool: options.pool,
          score: flags.score,
          tau,
          ...scoresJson(scores, show),
        });
      } else {
        if (calibration) process.stdout.write(calibratedLine(tau, calibration.version));
        process.stdout.write(formatScores(scores, show));
      }
    } finally {
      await engine.close();
    }
  } finally {
    await file.close();
  }
}

/**
 * The bundle's calibration, where it holds: not with --raw, a temperature of one's own or another pool. One that cannot be
 * used is told on stderr, and the scores are uncalibrated, as a server does it.
 */
async function calibrationFor(
  { directory, digest, card }: ModelBundle,
  { raw, tau, pool }: Flags,
): Promise<Calibration | undefined> {
  if (raw || tau !== undefined || (pool !== undefined && !isDeepStrictEqual(pool, card.pool)))
    return undefined;
  try {
    return await loadCalibration(directory, digest);
  } catch (error) {
    process.stderr.write(`note: not calibrated: ${toFault(error).message}\n`);
    return undefined;
  }
}

function calibratedScores(scores: FileScores, calibration: Calibration, score: Score): FileScores {
  const contexts = scores.contexts.map((each) => {
    const { probabilities, pValues } = applyCalibration(calibration, each.energies, { score });
    return { ...each, probabilities, pValues };
  });
  return { ...scores, contexts };
}

/** The same with corrected scores in place of the energies; p-values and steps stay those of what was corrected. */
async function correctedScores(
  scores: FileScores,
  data: ScoreData,
  correction: Correction,
): Promise<FileScores> {
  const contexts: ContextScores[] = [];
  for (const [index, each] of scores.contexts.entries()) {
    const [chunks] = await candidatesOf(data, index, index + 1);
    const energies = await correction.apply(each.energies, chunks!.values);
    contexts.push({
      ...each,
      energies,
      probabilities: probabilities(energies, CORRECTED_TAU),
      ranking: rank(energies),
    });
  }
  return { ...scores, contexts };
}
