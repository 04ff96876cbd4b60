/** What a person sees of a training run: a bar, validations as lines, and what came out. */
import { SingleBar } from 'cli-progress';
import type { validationLine } from '../training/log.js';
import type { Trained } from '../training/train.js';
import { printJson } from './output.js';

/** What came out, and what to do next. */
export function reportTrained(
  { output, json }: { readonly output: string; readonly json?: true },
  trained: Trained,
  digest: string,
  log: string,
): void {
  const { updates, best, rows, decisive, stopped } = trained;
  if (json) {
    printJson({ output, digest, updates, best, rows, decisive, stopped, log });
    return;
  }
  const kept = best ? `, the best at update ${best.update} (${best.value.toPrecision(4)})` : '';
  const learnt = decisive
    ? `Decisive contexts (candidates that differ in cost): ${decisive.contexts} of ${decisive.of}.${advice(decisive.contexts)}\n`
    : '';
  process.stdout.write(
    `${updates} updates on ${rows.training} rows, ${rows.validation} held out${kept}.\n${learnt}` +
      `Bundle: ${output}\nLog: ${log}\nNext: action-energy calibrate ${output} DATA...\n`,
  );
}

/** Measured in a closed loop (docs/training.md): the gain still grew from 1,002 states to 1,945, a sixth of them decisive. */
const DECISIVE_WANTED = 300;

function advice(contexts: number): string {
  return contexts < DECISIVE_WANTED ? ` Some ${DECISIVE_WANTED - contexts} more would help.` : '';
}

/** A bar where a person watches; validations as lines. */
export class TrainingDisplay {
  #bar: SingleBar | undefined;

  constructor(private readonly quiet: boolean) {}

  update(update: number, updates: number, loss: number, rate: number): void {
    if (this.quiet || !process.stderr.isTTY) return;
    if (this.#bar === undefined) {
      this.#bar = new SingleBar({
        stream: process.stderr,
        format: '{bar} {percentage}%  {value}/{total} updates  loss {loss}  lr {rate}  {eta_formatted} left',
        hideCursor: true,
        clearOnComplete: true,
      });
      this.#bar.start(updates, update);
    }
    this.#bar.update(update, { loss: loss.toFixed(4), rate: rate.toExponential(1) });
  }

  validation({
    step,
    infonce,
    accuracy,
    regret,
    rank_correlation,
    best,
  }: ReturnType<typeof validationLine>): void {
    if (this.quiet) return;
    const figures = Object.entries({ infonce, accuracy, regret, rank_correlation }).flatMap(
      ([name, value]) => (typeof value === 'number' ? [`${name} ${value.toFixed(4)}`] : []),
    );
    process.stderr.write(
      `update ${step}: ${figures.join(', ')}${best === true ? ', the best so far' : ''}\n`,
    );
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
