/** `evaluate A DATA... --against B`: two checkpoints on the same rows, and the report on A. */
import { compareModels, type CompareSide } from '../calibration/compare.js';
import type { Comparison } from '../calibration/report/comparison.js';
import { renderPage } from '../calibration/report/html/page.js';
import { tableLines } from '../calibration/report/figure.js';
import { comparisonRemarks, comparisonTable } from '../calibration/report/tables/comparison-table.js';
import { loadCalibration } from '../calibration/store.js';
import { writeWhole } from '../weights/whole-file.js';
import { passOptions, withOpened, withProgress, type Opened } from './calibration-flags.js';
import { printJson } from './output.js';
import { checkRequired, reportJson, writeAskedFigures, type ReportFlags } from './report-output.js';

/** `--require` is asked of A. */
export async function evaluateAgainst(
  directory: string,
  other: string,
  files: readonly string[],
  flags: ReportFlags,
): Promise<void> {
  const { comparison, named } = await withOpened(directory, files, flags, (a) =>
    withOpened(other, files, flags, async (b) => {
      const sides = [await sideOf(directory, a), await sideOf(other, b)] as const;
      const { rows } = a.data!;
      const all = sides.every(({ calibration }) => calibration !== undefined);
      // where one is fitted first, a calibrated one sees the other half alone
      const total = sides.reduce((sum, { calibration }) => sum + (all || !calibration ? rows : rows / 2), 0);
      return withProgress(Math.round(total), flags.json === true, (onRows) =>
        compareModels(...sides, { ...passOptions(flags), onRows }),
      );
    }),
  );
  if (flags.html !== undefined) await writeWhole(flags.html, renderPage(named));
  const drawn = await writeAskedFigures(flags, named);
  if (flags.json) {
    const { html = null, figures = null } = flags;
    printJson(reportJson(named, { calibration: named.version, file: null, html, figures, findings: [] }));
  } else {
    process.stdout.write(comparisonText(comparison));
    if (flags.html !== undefined) process.stdout.write(`Page: ${flags.html}\n`);
    process.stdout.write(drawn);
  }
  checkRequired(flags, comparison.a.verdict);
}

async function sideOf(directory: string, { bundle, engine, data }: Opened): Promise<CompareSide> {
  const { card, digest } = bundle;
  const calibration = await loadCalibration(directory, digest);
  return { engine, card, weightsDigest: digest, data: data!, calibration };
}

function comparisonText(comparison: Comparison): string {
  const table = comparisonTable(comparison);
  return [...comparisonRemarks(comparison), '', table.note, ...tableLines(table), ''].join('\n');
}
