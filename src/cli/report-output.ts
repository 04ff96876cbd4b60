/** What calibrate and evaluate have in common: their flags, one shape of JSON, and the exit code that a pipeline asked for. */
import { Option, type Command } from 'commander';
import type { Verdict } from '../calibration/choice/choice-schema.js';
import { VERDICT_TEXT } from '../calibration/choice/verdict.js';
import type { Finding } from '../calibration/doctor/probe.js';
import { writeFigures } from '../calibration/report/figure-files.js';
import type { NamedReport } from '../calibration/report/reported.js';
import { passFlags, type PassFlags } from './calibration-flags.js';
import { EXIT_CODES } from './output.js';

/** Verdicts that satisfy what is required. */
const ENOUGH = {
  'may-choose': ['may_choose'],
  'may-choose-behind-gate': ['may_choose', 'may_choose_behind_gate'],
} as const satisfies Record<string, readonly Verdict['verdict'][]>;

export interface ReportFlags extends PassFlags {
  readonly figures?: string;
  readonly require?: keyof typeof ENOUGH;
}

export function reportFlags(command: Command): Command {
  return passFlags(command)
    .option('--figures <dir>', 'write each picture as SVG and each table as CSV and LaTeX there')
    .addOption(
      new Option(
        '--require <verdict>',
        'exit with 3 when the verdict is another (or, for the second, a worse one)',
      ).choices(Object.keys(ENOUGH)),
    );
}

/** What was written, as a line; empty where nothing was asked for. */
export async function writeAskedFigures(
  { figures }: Pick<ReportFlags, 'figures'>,
  named: NamedReport,
): Promise<string> {
  if (figures === undefined) return '';
  const { pictures, tables } = await writeFigures(figures, named);
  return `Figures: ${figures}, ${pictures} as SVG, ${tables} tables as CSV and LaTeX\n`;
}

/** Sets the exit code, and says why on stderr. */
export function checkRequired({ require }: Pick<ReportFlags, 'require'>, { verdict }: Verdict): void {
  if (require === undefined || (ENOUGH[require] as readonly string[]).includes(verdict)) return;
  process.stderr.write(
    `error: verdict\n  found:  ${VERDICT_TEXT[verdict]}\n  wanted: ${require} (--require)\n`,
  );
  process.exitCode = EXIT_CODES.precondition;
}

/**
 * One shape for both commands: what was judged, under which calibration (null: fitted for this report alone), what was
 * written (null: nothing), and the comparison where one was asked for.
 */
export function reportJson(
  named: NamedReport,
  written: {
    readonly calibration: string | null;
    readonly file: string | null;
    readonly html: string | null;
    readonly figures: string | null;
    readonly findings: readonly Finding[];
  },
): Record<string, unknown> {
  const { better, scores, report, choice, int8, model, weightsDigest, environment } = named;
  const { sources, rows, steps, seed, near_duplicate: nearDuplicate, split } = named.data;
  return {
    verdict: report.verdict,
    model,
    weights_digest: weightsDigest,
    ...written,
    data: { sources, rows, steps, seed, near_duplicate: nearDuplicate, split },
    environment,
    score: better,
    tau: scores[better].temperature.tau,
    choice,
    int8: int8 ?? null,
    report,
    comparison: named.comparison ?? null,
  };
}
