/** The run's log: one JSON object a line, `log.jsonl`, the names of the report. A run that goes on cuts off what it repeats. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { UpdateReport } from './train.js';
import type { Validation } from './validation.js';

export interface LogLine {
  readonly kind: 'train' | 'validation';
  readonly step: number;
  readonly [figure: string]: number | string | boolean | undefined;
}

export function updateLine(report: UpdateReport): LogLine {
  return {
    kind: 'train',
    step: report.update,
    epoch: report.epoch,
    energy_loss: report.loss,
    Positive_Energy: finite(report.positiveEnergy),
    Negative_Energy: finite(report.negativeEnergy),
    accuracy: finite(report.accuracy),
    gradient_norm: report.gradientNorm,
    learning_rate: report.learningRate,
  };
}

export function validationLine(report: Validation & { update: number; best: boolean }): LogLine {
  return {
    kind: 'validation',
    step: report.update,
    infonce: report.infonce,
    Positive_Energy: report.positiveEnergy,
    Negative_Energy: report.negativeEnergy,
    accuracy: report.accuracy,
    regret: report.regret,
    rank_correlation: report.rankCorrelation,
    best: report.best,
  };
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

export class TrainingLog {
  readonly file: string;

  /** @param keep go on with the lines that are there */
  constructor(directory: string, keep: boolean) {
    this.file = path.join(directory, 'log.jsonl');
    if (!keep) writeFileSync(this.file, '');
  }

  /** Cuts off the lines behind update `step`, which the run is about to write again. */
  cutAfter(step: number): void {
    let text: string;
    try {
      text = readFileSync(this.file, 'utf8');
    } catch {
      return;
    }
    const kept = text.split('\n').filter((line) => {
      try {
        return (JSON.parse(line) as LogLine).step <= step;
      } catch {
        return false; // half a line, of a run that was killed
      }
    });
    writeFileSync(this.file, kept.map((line) => `${line}\n`).join(''));
  }

  write(line: LogLine): void {
    appendFileSync(this.file, `${JSON.stringify(line)}\n`);
  }
}
