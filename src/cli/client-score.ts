/** `action-energy client score FILE`: what `score` does, computed by a server. */
import { Command } from 'commander';
import { openScoreData } from '../data/score-data.js';
import { openTensorFile } from '../data/tensor-file.js';
import { parseCard } from '../model/card-checks.js';
import { addClientFlags, callSettings, withClient, type ClientFlags } from './client-flags.js';
import { scoreRemotely } from './client-score-run.js';
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

interface Flags extends ClientFlags, ScoreFlags {
  keepContext?: true;
}

const EXAMPLE = `
Example:
  action-energy client score models/examples/tiny-reach.safetensors --top 3`;

export function clientScoreCommand(): Command {
  const command = new Command('score')
    .description('score the action chunks in a data file on a server')
    .argument('<data>', 'data file');
  addScoreFlags(addClientFlags(command))
    .option(
      '--keep-context',
      'keep each context on the server and use it by its id: with --matrix it is sent and encoded once, not twice',
    )
    .addHelpText('after', `${DATA_FILE_HELP}\n${EXAMPLE}`);
  return command.action((data: string, flags: Flags) => runScore(data, flags));
}

async function runScore(path: string, flags: Flags): Promise<void> {
  checkCorrected(flags);
  const file = await openTensorFile(path);
  try {
    await withClient(flags, async (client) => {
      const settings = callSettings(flags);
      const model = await client.getModel(flags.model, settings);
      const name = model.version?.name ?? '';
      const card = parseCard(model.cardJson, `model ${name} of ${flags.address}`);
      const data = await openScoreData(file, card);
      const options = scoreOptions(flags, card);
      const bar = progressBar(data.contexts);
      const scores = await interruptible('nothing was written', () =>
        scoreRemotely(client, model, data, {
          ...options,
          asked: flags.score,
          askedTau: flags.tau,
          raw: flags.raw === true,
          keep: flags.keepContext === true,
          settings,
          onProgress: (done) => bar?.update(done),
        }),
      ).finally(() => bar?.stop());
      if (flags.output !== undefined) await writeScores(flags.output, scores);
      const { tau, calibrationVersion } = scores;
      if (flags.json !== true) {
        if (calibrationVersion !== '') {
          process.stdout.write(calibratedLine(tau, calibrationVersion));
        }
        process.stdout.write(formatScores(scores, showOptions(flags)));
        return;
      }
      const { pool } = options;
      const { provider, threads, version } = model;
      const head = {
        model: name,
        digest: version?.digest,
        calibration_version: calibrationVersion,
        provider,
        threads,
        pool,
        score: flags.score,
        tau,
      };
      printJson({ ...head, ...scoresJson(scores, showOptions(flags)) });
    });
  } finally {
    await file.close();
  }
}
