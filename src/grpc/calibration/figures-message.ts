/** Options and key figures of calibrations, from and to messages. */
import type { ReportFigure } from '../../calibration/report/figure.js';
import type { Report } from '../../calibration/report/report-schema.js';
import type { Calibration } from '../../calibration/calibration-schema.js';
import { invalid } from '../../errors.js';
import type { CalibrationOptions__Output } from '../../generated/action_energy/v1/CalibrationOptions.js';
import type { Figure } from '../../generated/action_energy/v1/Figure.js';
import type { KeyFigures } from '../../generated/action_energy/v1/KeyFigures.js';
import type { PassOptions } from '../../serving/calibration-run.js';

/** What is absent keeps its default. Errors name `header.options`. */
export function decodePassOptions(options: CalibrationOptions__Output | null): PassOptions {
  const { batch, seed } = options ?? {};
  const nearDuplicate = options?.nearDuplicate === undefined ? undefined : Number(options.nearDuplicate);
  const refuse = (field: string, found: number, wanted: string): never => {
    throw invalid(`header.options.${field}`, 'out of range', { found: String(found), wanted });
  };
  if (batch !== undefined && batch < 2) refuse('batch', batch, 'at least 2');
  if (nearDuplicate !== undefined && !(nearDuplicate >= 0 && nearDuplicate < Infinity)) {
    refuse('near_duplicate', nearDuplicate, 'a finite number of at least 0');
  }
  return {
    ...(batch === undefined ? {} : { batch }),
    ...(seed === undefined ? {} : { seed }),
    ...(nearDuplicate === undefined ? {} : { nearDuplicate }),
  };
}

function figureMessage({ value, low, high }: ReportFigure): Figure {
  return {
    ...(value !== null && { value }),
    ...(low !== null && { low }),
    ...(high !== null && { high }),
  };
}

const VERDICTS = {
  may_choose: 'MAY_CHOOSE',
  may_choose_behind_gate: 'MAY_CHOOSE_BEHIND_GATE',
  must_not_choose: 'MUST_NOT_CHOOSE',
} as const;

export function keyFigures({ better, scores, data }: Calibration, report: Report): KeyFigures {
  const swap = report.negatives.find(({ name }) => name === 'swap');
  return {
    reportedRows: report.rows,
    fittedRows: data.split.fit_rows,
    better: better === 'readout' ? 'READOUT' : 'LOGIT',
    readoutTau: scores.readout.temperature.tau,
    logitTau: scores.logit.temperature.tau,
    infonceBefore: figureMessage(report.infonce.before),
    infonceAfter: figureMessage(report.infonce.after),
    infonceChance: report.infonce.chance,
    top1: figureMessage(report.top1),
    eceBefore: figureMessage(report.reliability.ece_before),
    eceAfter: figureMessage(report.reliability.ece_after),
    positiveEnergy: figureMessage(report.energy.positive),
    negativeEnergy: figureMessage(report.energy.negative),
    ...(swap && { swapAuroc: figureMessage(swap.auroc) }),
    judgement: {
      verdict: VERDICTS[report.verdict.verdict],
      reasons: report.verdict.reasons,
    },
  };
}
