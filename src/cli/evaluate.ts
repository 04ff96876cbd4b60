/** `action-energy evaluate MODEL DATA...`: the report alone; the bundle stays as it is. */
import { Command, Option } from 'commander';
import {
  calibrate,
  evaluateCalibration,
  sourcesWithDigests,
  type CalibrateOptions,
} from '../calibration/calibrate.js';
import { environmentOf } from '../calibration/calibration-schema.js';
import { renderPage } from '../calibration/report/html/page.js';
import type { NamedReport } from '../calibration/report/reported.js';
import { loadCalibration } from '../calibration/store.js';
import { checkWritable, writeWhole } from '../weights/whole-file.js';
import { summaryText } from '../calibration/report/summary.js';
import { passOptions, withOpened, withProgress } from './calibration-flags.js';
import { evaluateAgainst } from './evaluate-against.js';
import { printJson } from './output.js';
import {
  checkRequired,
  reportFlags,
  reportJson,
  writeAskedFigures,
  type ReportFlags,
} from './report-output.js';

interface EvaluateFlags extends ReportFlags {
  readonly against?: string;
}

const EXAMPLES = `
Examples:
  action-energy evaluate models/mine new.safetensors --html new.html
  action-energy evaluate models/new data.safetensors --against models/old   which of the two is better, by what
  action-energy evaluate models/mine data.safetensors --require may-choose-behind-gate || exit 1`;

export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description(
      "report on all rows under the bundle's calibration; without one, fit on half of the episodes and report on the rest",
    )
    .argument('<model>', 'model bundle')
    .argument('<data...>', 'safetensors, .npz or .pt; several files are shards of one data set')
    .option('--html <file>', 'write the page here')
    .addOption(
      new Option(
        '--against <bundle>',
        'compare with this model on the same rows: paired differences; page, figures and JSON hold the report too',
      ),
    )
    .addHelpText('after', EXAMPLES);
  return reportFlags(command).action(async (directory: string, files: string[], flags: EvaluateFlags) => {
    if (flags.html !== undefined) await checkWritable(flags.html);
    if (flags.against !== undefined) return evaluateAgainst(directory, flags.against, files, flags);
    await withOpened(directory, files, flags, async ({ bundle, engine, data }) => {
      const { card, digest } = bundle;
      const existing = await loadCalibration(directory, digest);
      const page = await withProgress(
        data!.rows,
        flags.json === true,
        async (onRows): Promise<NamedReport> => {
          const pass = passOptions(flags);
          const options: CalibrateOptions = {
            ...pass,
            engine,
            card,
            weightsDigest: digest,
            data: data!,
            onRows,
          };
          const named = { model: card.name, weightsDigest: digest };
          if (existing === undefined) return { ...(await calibrate(options)), ...named };
          const { rows, steps } = data!;
          const [report, sources] = await Promise.all([
            evaluateCalibration(existing, options),
            sourcesWithDigests(data!),
          ]);
          const { seed, nearDuplicate } = pass;
          return {
            ...existing,
            ...named,
            report,
            int8: undefined, // measured on the calibration's rows, not on these
            environment: environmentOf(engine.info),
            data: { sources, rows, steps, seed, near_duplicate: nearDuplicate, split: null },
          };
        },
      );
      if (flags.html !== undefined) await writeWhole(flags.html, renderPage(page));
      const drawn = await writeAskedFigures(flags, page);
      if (flags.json) {
        const calibration = existing === undefined ? null : page.version;
        const { html = null, figures = null } = flags;
        printJson(reportJson(page, { calibration, file: null, html, figures, findings: [] }));
      } else {
        const under =
          existing === undefined
            ? 'No calibration in the bundle: fitted on half of the data for this report alone.\n'
            : `Under calibration ${existing.version}.\n`;
        process.stdout.write(`${under}${summaryText(page)}`);
        if (flags.html !== undefined) process.stdout.write(`Page: ${flags.html}\n`);
        process.stdout.write(drawn);
      }
      checkRequired(flags, page.report.verdict);
    });
  });
}
