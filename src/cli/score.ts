/** `action-energy score DIR FILE`: energies, ranking and probabilities of the chunks in a file. */
import { Command } from 'commander';
import { openScoreData } from '../data/score-data.js';
import { openTensorFile } from '../data/tensor-file.js';
import { loadBundle } from '../model/bundle.js';
import { engineFlags, startEngineFor, type EngineFlags } from './engine-flags.js';
import { printJson } from './output.js';
import {
  addScoreFlags,
  DATA_FILE_HELP,
  progressBar,
  scoreOptions,
  showOptions,
  type ScoreFlags,
} from './score-flags.js';
import { formatScores, scoresJson, writeScores } from './score-output.js';
import { scoreFile } from '../offline/score-file.js';

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
  const bundle = await loadBundle(directory);
  const { card } = bundle;
  const file = await openTensorFile(path);
  try {
    const data = await openScoreData(file, card);
    const options = scoreOptions(flags, card);
    const engine = await startEngineFor(bundle, flags);
    try {
      const bar = progressBar(data.contexts);
      const scores = await scoreFile(engine, data, options, (done) => bar?.update(done)).finally(() =>
        bar?.stop(),
      );
      if (flags.output !== undefined) await writeScores(flags.output, scores);
      const show = showOptions(flags);
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
