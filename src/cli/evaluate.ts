/** `action-energy evaluate MODEL DATA...`: the report alone; the bundle stays as it is. */
import { Command } from 'commander';
import { calibrate, evaluateCalibration, type CalibrateOptions } from '../calibration/calibrate.js';
import { renderPage, type PageOptions } from '../calibration/report/html/page.js';
import { loadCalibration, writeWhole } from '../calibration/store.js';
import { summaryText } from '../calibration/report/summary.js';
import { passOptions } from './calibrate.js';
import { passFlags, withOpened, withProgress, type PassFlags } from './calibration-flags.js';
import { evaluateAgainst } from './evaluate-against.js';
import { printJson } from './output.js';
import { checkRequired, reportJson, requireFlag, type RequireFlag } from './report-output.js';

interface EvaluateFlags extends PassFlags, RequireFlag {
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
    .option('--against <bundle>', 'compare with this model on the same rows: paired differences, no report')
    .addHelpText('after', EXAMPLES);
  return requireFlag(passFlags(command)).action(
    async (directory: string, files: string[], flags: EvaluateFlags) => {
      if (flags.against !== undefined) return evaluateAgainst(directory, flags.against, files, flags);
      await withOpened(directory, files, flags, async ({ bundle, engine, data }) => {
        const { card, digest } = bundle;
        const existing = await loadCalibration(directory, digest);
        const page = await withProgress(
          data!.rows,
          flags.json === true,
          async (onRows): Promise<PageOptions> => {
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
            const report = await evaluateCalibration(existing, options);
            return {
              ...existing,
              ...named,
              report,
              data: { sources: data!.sources.map((source) => ({ ...source })) },
            };
          },
        );
        if (flags.html !== undefined) await writeWhole(flags.html, renderPage(page));
        if (flags.json) {
          const calibration = existing === undefined ? null : page.version;
          printJson(reportJson(page, { calibration, file: null, html: flags.html ?? null, findings: [] }));
        } else {
          const under =
            existing === undefined
              ? 'No calibration in the bundle: fitted on half of the data for this report alone.\n'
              : `Under calibration ${existing.version}.\n`;
          process.stdout.write(`${under}${summaryText(page)}`);
          if (flags.html !== undefined) process.stdout.write(`Page: ${flags.html}\n`);
        }
        checkRequired(flags, page.report.verdict);
      });
    },
  );
}
