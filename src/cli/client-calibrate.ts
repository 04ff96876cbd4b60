/** `action-energy client calibrate|evaluate DATA...`: what the commands without `client` do, by a running server. */
import { Command } from 'commander';
import { openCalibrationData } from '../calibration/data/calibration-data.js';
import type { EnergyClient } from '../client/energy-client.js';
import type { CalibrationUpload } from '../client/calibration.js';
import type { Figure__Output } from '../generated/action_energy/v1/Figure.js';
import type { KeyFigures__Output } from '../generated/action_energy/v1/KeyFigures.js';
import { parseCard } from '../model/card-checks.js';
import { passOptionFlags, withProgress, type PassFlags } from './calibration-flags.js';
import { addClientFlags, callSettings, withClient, type ClientFlags } from './client-flags.js';
import { printJson } from './output.js';

type Flags = ClientFlags & Pick<PassFlags, 'batch' | 'seed' | 'nearDuplicate' | 'json'>;
type Kind = 'calibrate' | 'evaluate';

const HELP: Readonly<Record<Kind, string>> = {
  calibrate: `
The server computes in the idle time of the model's engine, writes the calibration into the bundle and applies it at once.
Without --deadline-ms there is no deadline; interrupted, everything stays as it was. Needs the calibrate permission.

Example:
  action-energy client calibrate models/examples/tiny-reach-calibration.safetensors`,
  evaluate: `
A report under the calibration in force; without one, fitted on half of the episodes. Nothing is written or applied.

Example:
  action-energy client evaluate models/examples/tiny-reach-calibration.safetensors`,
};

export function clientCalibrateCommand(): Command {
  return command('calibrate', 'calibrate a served model without restarting it');
}

export function clientEvaluateCommand(): Command {
  return command('evaluate', "report on data under a served model's calibration");
}

function command(kind: Kind, description: string): Command {
  const made = new Command(kind)
    .description(description)
    .argument('<data...>', 'safetensors, .npz or .pt; several files are shards of one data set');
  passOptionFlags(addClientFlags(made)).addHelpText('after', HELP[kind]);
  return made.action((files: string[], flags: Flags) =>
    withClient(flags, (client) => run(client, kind, files, flags)),
  );
}

async function run(client: EnergyClient, kind: Kind, files: readonly string[], flags: Flags): Promise<void> {
  const model = await client.getModel(flags.model, callSettings(flags));
  const name = model.version?.name ?? '';
  const card = parseCard(model.cardJson, `model ${name} of ${flags.address}`);
  const data = await openCalibrationData(files, card);
  try {
    const source = data.sources.map((each) => each.name).join(', ');
    const { batch, seed, nearDuplicate } = flags;
    const settings = flags.deadlineMs === undefined ? {} : { timeoutMs: flags.deadlineMs };
    const response = await withProgress(
      data.rows,
      flags.json === true,
      (onRows) => {
        const upload: CalibrationUpload = {
          data,
          header: {
            model: name,
            source: source.slice(0, 256),
            options: { batch, seed, nearDuplicate },
          },
          single: card.architecture === 'global_context',
          onRows,
        };
        return kind === 'calibrate' ? client.calibrate(upload, settings) : client.evaluate(upload, settings);
      },
      'the server ends the pass, and its calibration is as it was',
    );
    const version = response.model?.calibrationVersion ?? '';
    if (flags.json) {
      printJson({ model: name, calibration: version, report: JSON.parse(response.reportJson) as unknown });
      return;
    }
    const title =
      kind === 'calibrate'
        ? `${name}: calibration ${version} is in force.`
        : `${name}: ${version === '' ? 'no calibration in force, fitted for this report alone' : `under calibration ${version}`}.`;
    process.stdout.write(`${title}\n${formatFigures(response.figures!)}`);
  } finally {
    await data.close();
  }
}

function formatFigures(figures: KeyFigures__Output): string {
  const figure = (value: Figure__Output | null): string => {
    const [middle, low, high] = [value?.value, value?.low, value?.high].map((each) =>
      each === undefined ? '-' : Number(each).toFixed(3),
    );
    return `${middle} [${low}, ${high}]`;
  };
  const rows: [string, string][] = [
    ['rows', `${figures.reportedRows} reported on, ${figures.fittedRows} fitted on`],
    ['better score', figures.better.toLowerCase()],
    ['tau', `readout ${figures.readoutTau.toPrecision(4)}, logit ${figures.logitTau.toPrecision(4)}`],
    [
      'InfoNCE loss',
      `${figure(figures.infonceBefore)} before, ${figure(figures.infonceAfter)} after, ${figures.infonceChance.toFixed(3)} by chance`,
    ],
    ['top-1', figure(figures.top1)],
    ['calibration error', `${figure(figures.eceBefore)} before, ${figure(figures.eceAfter)} after`],
    ['energy', `${figure(figures.positiveEnergy)} of experts, ${figure(figures.negativeEnergy)} of others`],
    ['AUROC against swaps', figure(figures.swapAuroc)],
  ];
  const judged = figures.judgement;
  const verdict =
    judged === null
      ? ''
      : `Verdict: ${judged.verdict.toLowerCase().replaceAll('_', ' ')}\n${judged.reasons.map((reason) => `  ${reason}\n`).join('')}`;
  const table = rows.map(([name, value]) => `  ${name.padEnd(20)}${value}\n`).join('');
  return verdict + table;
}
