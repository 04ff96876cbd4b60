/** `action-energy calibrate MODEL DATA...`: fits and reports, and keeps the calibration in the bundle. */
import path from 'node:path';
import { Command } from 'commander';
import { calibrate } from '../calibration/calibrate.js';
import { examine } from '../calibration/doctor/examine.js';
import { renderPage } from '../calibration/report/html/page.js';
import { saveCalibration, writeWhole } from '../calibration/store.js';
import { summaryText } from '../calibration/report/tables.js';
import { passFlags, withOpened, withProgress, type PassFlags } from './calibration-flags.js';
import { printJson } from './output.js';

interface CalibrateFlags extends PassFlags {
  readonly out?: string;
}

export function calibrateCommand(): Command {
  const command = new Command('calibrate')
    .description(
      'fit temperature and expert energies on data, report on held-out episodes, keep it in the bundle',
    )
    .argument('<model>', 'model bundle')
    .argument('<data...>', 'safetensors, .npz or .pt; several files are shards of one data set')
    .option('-o, --out <file>', 'write calibration.json here instead of into the bundle')
    .option('--html <file>', 'where to write the page (default: calibration.html beside calibration.json)');
  return passFlags(command).action(async (directory: string, files: string[], flags: CalibrateFlags) => {
    await withOpened(directory, files, flags, async ({ bundle, engine, data }) => {
      const { card, weights, digest } = bundle;
      const quiet = flags.json === true;
      const calibration = await withProgress(
        data!.rows,
        quiet,
        (onRows) =>
          calibrate({ ...passOptions(flags), engine, card, weightsDigest: digest, data: data!, onRows }),
        `${flags.out ?? directory} is as it was`,
      );
      const findings = await examine({ engine, card, weights, data: data!, seed: flags.seed });
      const page = renderPage({
        ...calibration,
        model: card.name,
        weightsDigest: digest,
        findings,
      });
      const file =
        flags.out === undefined
          ? await saveCalibration(directory, calibration)
          : await writeWhole(flags.out, `${JSON.stringify(calibration)}\n`);
      const html = await writeWhole(flags.html ?? path.join(path.dirname(file), 'calibration.html'), page);
      if (quiet) printJson({ file, html, calibration, findings });
      else {
        const failing = findings.filter(({ level }) => level === 'failure').map(({ probe }) => probe);
        const doctor = failing.length === 0 ? '' : `Doctor: failing ${failing.join(', ')}; see the page.\n`;
        process.stdout.write(
          `${summaryText(calibration)}${doctor}Calibration ${calibration.version}: ${file}\nPage: ${html}\n`,
        );
      }
    });
  });
}

/** Flags as the calibration's options. */
export function passOptions({ batch, seed, nearDuplicate }: PassFlags): {
  batch: number;
  seed: number;
  nearDuplicate: number;
} {
  return { batch, seed, nearDuplicate };
}
