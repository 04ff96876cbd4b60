/**
 * What a run tells while it goes on, in its folder: `log.jsonl`, one JSON object a line under the names of the report;
 * `tensorboard/`, the same figures as an event file; `metrics.prom`, the newest of each for the textfile collector of
 * Prometheus' node exporter. A run that goes on cuts off what it repeats.
 */
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EventFile } from './tensorboard.js';
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
  readonly #directory: string;
  readonly #model: string;
  #events: EventFile | undefined;
  readonly #newest = new Map<string, number>();

  /**
   * @param model its name, the label of the metrics
   * @param keep go on with the lines that are there
   */
  constructor(directory: string, model: string, keep: boolean) {
    this.file = path.join(directory, 'log.jsonl');
    this.#directory = directory;
    this.#model = model;
    if (!keep) writeFileSync(this.file, '');
  }

  /** Begins behind update `step`: lines behind it are cut off, since the run is about to write them again. */
  begin(step: number): void {
    const kept = linesOf(this.file).filter((line) => line.step <= step);
    writeFileSync(this.file, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
    this.#events = new EventFile(this.#directory);
    for (const line of kept) this.#show(line);
  }

  write(line: LogLine): void {
    appendFileSync(this.file, `${JSON.stringify(line)}\n`);
    this.#show(line);
    this.#writeMetrics();
  }

  #show(line: LogLine): void {
    const scalars = Object.entries(line).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && entry[0] !== 'step',
    );
    this.#events?.write(
      line.step,
      scalars.map(([name, value]) => [`${line.kind}/${name}`, value] as const),
    );
    for (const [name, value] of [...scalars, ['update', line.step] as const]) {
      this.#newest.set(
        `action_energy_${line.kind === 'train' ? 'training' : 'validation'}_${name.toLowerCase()}`,
        value,
      );
    }
  }

  /** In one piece: the collector may read at any moment. */
  #writeMetrics(): void {
    const label = this.#model.replace(/[\\"\n]/g, '_');
    const text = [...this.#newest].map(
      ([name, value]) => `# TYPE ${name} gauge\n${name}{model="${label}"} ${value}\n`,
    );
    const file = path.join(this.#directory, 'metrics.prom');
    writeFileSync(`${file}.new`, text.join(''));
    renameSync(`${file}.new`, file);
  }
}

/** Whole lines; half of one is left by a run that was killed. */
function linesOf(file: string): LogLine[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as LogLine];
    } catch {
      return [];
    }
  });
}
