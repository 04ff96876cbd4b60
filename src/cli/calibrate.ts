/** `action-energy calibrate MODEL DATA...`: fits and reports, and keeps the calibration in the bundle. */
import path from 'node:path';
import { Command } from 'commander';
import { calibrate } from '../calibration/calibrate.js';
import { VERDICT_TEXT } from '../calibration/choice/verdict.js';
import { int8Objection } from '../calibration/report/precision.js';
import { startEngine } from '../engine/start.js';
import { examine } from '../calibration/doctor/examine.js';
import { renderPage } from '../calibration/report/html/page.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import type { ModelCard } from '../model/card.js';
import { saveCalibration } from '../calibration/store.js';
import { checkWritable, writeWhole } from '../weights/whole-file.js';
import { figure } from '../calibration/report/figure.js';
import { summaryText } from '../calibration/report/summary.js';
import { passOptions, withOpened, withProgress } from './calibration-flags.js';
import { printJson } from './output.js';
import {
  checkRequired,
  reportFlags,
  reportJson,
  writeAskedFigures,
  type ReportFlags,
} from './report-output.js';

interface CalibrateFlags extends ReportFlags {
  readonly out?: string;
  readonly int8: boolean;
}

export function calibrateCommand(): Command {
  const command = new Command('calibrate')
    .description(
      'fit temperature and expert energies on data, report on held-out episodes, keep it in the bundle',
    )
    .argument('<model>', 'model bundle')
    .argument('<data...>', 'safetensors, .npz or .pt; several files are shards of one data set')
    .option('-o, --out <file>', 'write calibration.json here instead of into the bundle')
    .option('--no-int8', 'do not measure what --precision int8 would cost')
    .option('--html <file>', 'where to write the page (default: calibration.html beside calibration.json)');
  return reportFlags(command).action(async (directory: string, files: string[], flags: CalibrateFlags) => {
    for (const file of [flags.out, flags.html]) if (file !== undefined) await checkWritable(file);
    await withOpened(directory, files, flags, async ({ bundle, engine, data }) => {
      const { card, weights, digest } = bundle;
      const quiet = flags.json === true;
      const { provider, precision } = engine.info;
      const int8 =
        flags.int8 && provider === 'cpu' && precision === 'float32'
          ? await startEngine(bundle, { provider, precision: 'int8', threads: flags.threads })
          : undefined;
      const options = { ...passOptions(flags), engine, card, weightsDigest: digest, data: data! };
      const { calibration, findings } = await withProgress(
        data!.rows,
        quiet,
        async (onRows) => {
          const fitted = await calibrate({ ...options, onRows, ...(int8 && { int8 }) });
          const { tau } = fitted.scores.readout.temperature;
          const examined = await examine({ engine, card, weights, data: data!, seed: flags.seed, tau });
          return { calibration: fitted, findings: examined };
        },
        `${flags.out ?? directory} is as it was`,
      ).finally(() => int8?.close());
      const named = { ...calibration, model: card.name, weightsDigest: digest, findings };
      const page = renderPage(named);
      const file =
        flags.out === undefined
          ? await saveCalibration(directory, calibration)
          : await writeWhole(flags.out, `${JSON.stringify(calibration)}\n`);
      const html = await writeWhole(flags.html ?? path.join(path.dirname(file), 'calibration.html'), page);
      const drawn = await writeAskedFigures(flags, named);
      if (quiet) {
        const figures = flags.figures ?? null;
        printJson(reportJson(named, { calibration: calibration.version, file, html, figures, findings }));
      } else {
        const failing = findings.filter(({ level }) => level === 'failure').map(({ probe }) => probe);
        const doctor = failing.length === 0 ? '' : `Doctor: failing ${failing.join(', ')}; see the page.\n`;
        process.stdout.write(
          `${summaryText(calibration)}${int8Text(calibration, card)}${doctor}Calibration ${calibration.version}: ${file}\nPage: ${html}\n${drawn}`,
        );
      }
      checkRequired(flags, calibration.report.verdict);
    });
  });
}

/** Two lines for the terminal: what int8 costs on these data, and whether `serve --precision auto` takes it. */
function int8Text(calibration: Calibration, { int8_agreement: bound }: ModelCard): string {
  const { int8 } = calibration;
  if (int8 === undefined) return '';
  const objection = int8Objection(calibration, bound);
  return [
    `int8: same best ${int8.chunks === 'candidates' ? 'candidate' : 'chunk'} ${figure(int8.same_best)}; ${figure(int8.same_decided)} of the ${int8.decided_rows} rows with a`,
    `  margin above its error; rank correlation ${figure(int8.spearman)}, loss ${figure(int8.loss_increase)} higher${int8.verdict === undefined ? '' : `; it ${VERDICT_TEXT[int8.verdict]}`}.`,
    `  serve --precision auto ${objection === undefined ? 'takes int8' : `stays with float32: ${objection}`}.`,
    '',
  ].join('\n');
}
