/** A training session's thread as the rest of the server sees it: one question at a time, each with one answer. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Fault, plainFault, revivedFault, type PlainFault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { Tensor } from '../tensor/tensor.js';
import type { StreamedReport, StreamRecipe } from '../training/streamed.js';

export interface TrainingTask {
  /** A bundle to go on with, or the card of a new model. */
  readonly from: { readonly directory: string } | { readonly card: ModelCard };
  readonly recipe: StreamRecipe;
  readonly threads: number;
}

/** Messages between the two threads. */
export type ToTraining =
  | { readonly type: 'rows'; readonly columns: ReadonlyMap<string, Tensor> }
  | { readonly type: 'save'; readonly directory: string; readonly name: string; readonly replace: boolean }
  | { readonly type: 'end' };

export type FromTraining =
  | { readonly type: 'started'; readonly digest: string }
  | { readonly type: 'step'; readonly report: StreamedReport }
  | { readonly type: 'saved'; readonly digest: string; readonly step: number }
  | { readonly type: 'failed'; readonly fault: PlainFault };

type Answer<Type extends FromTraining['type']> = Extract<FromTraining, { readonly type: Type }>;

export class TrainingThread {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #waiting: ((answer: FromTraining) => void) | undefined;
  #dead: Fault | undefined;

  private constructor(task: TrainingTask) {
    this.#worker = new Worker(new URL('./training-worker.js', import.meta.url), {
      workerData: task,
      name: 'training',
    });
    this.#worker.on('message', (answer: FromTraining) => this.#settle(answer));
    this.#worker.on('error', (cause) => this.#die(cause));
    this.#exited = once(this.#worker, 'exit').then(
      () => this.#die(undefined),
      () => undefined, // its error was told above
    );
  }

  /** Errors: what reading the bundle refuses. */
  static async start(task: TrainingTask): Promise<{ thread: TrainingThread; digest: string }> {
    const thread = new TrainingThread(task);
    try {
      const { digest } = await thread.#next('started');
      return { thread, digest };
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /** `transfer`: memory of the columns that is given away. Errors: those of `StreamedTraining.learn`. */
  async learn(
    columns: ReadonlyMap<string, Tensor>,
    transfer: readonly ArrayBuffer[],
  ): Promise<StreamedReport> {
    const { report } = await this.#ask('step', { type: 'rows', columns }, transfer);
    return report;
  }

  /** Errors: those of `StreamedTraining.save`. */
  async save(directory: string, name: string, replace: boolean): Promise<Answer<'saved'>> {
    return this.#ask('saved', { type: 'save', directory, name, replace });
  }

  /** Resolves when the thread has ended and its memory is free: after the step that it is at. Idempotent. */
  close(): Promise<void> {
    this.#worker.postMessage({ type: 'end' } satisfies ToTraining);
    return this.#exited;
  }

  #ask<Type extends FromTraining['type']>(
    wanted: Type,
    message: ToTraining,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Answer<Type>> {
    const answer = this.#next(wanted);
    this.#worker.postMessage(message, transfer);
    return answer;
  }

  async #next<Type extends FromTraining['type']>(wanted: Type): Promise<Answer<Type>> {
    if (this.#dead) throw this.#dead;
    const answer = await new Promise<FromTraining>((resolve) => (this.#waiting = resolve));
    if (answer.type === 'failed') throw revivedFault(answer.fault);
    if (answer.type !== wanted) throw new Fault('internal', 'the training thread spoke out of turn');
    return answer as Answer<Type>;
  }

  #settle(answer: FromTraining): void {
    const settle = this.#waiting;
    this.#waiting = undefined;
    settle?.(answer);
  }

  #die(cause: unknown): void {
    this.#dead ??= new Fault('internal', 'the training thread ended', { cause });
    this.#settle({ type: 'failed', fault: plainFault(this.#dead) });
  }
}
