/**
 * The threads of a server's engines. One that an engine has left waits for the next: its modules are loaded and its code is
 * compiled, so that a reload takes a fraction of the processor time, and the new engine is from its first batch as quick as
 * the old one was.
 */
import { Worker } from 'node:worker_threads';

export class EngineThreads {
  readonly #mostSpare: number;
  readonly #spare: Worker[] = [];
  #background = false;

  /** `mostSpare`: threads that may wait for an engine, some 25 MiB each. One is enough where models are loaded in turn. */
  constructor(mostSpare: number) {
    this.#mostSpare = mostSpare;
  }

  /** From here on engines are opened while others serve, and give way to them until they are open. */
  giveWay(): void {
    this.#background = true;
  }

  get background(): boolean {
    return this.#background;
  }

  /** A thread without an engine. The process lives on until it is left. */
  take(): Worker {
    const waiting = this.#spare.pop();
    waiting?.ref();
    return waiting ?? this.#start();
  }

  /** Its engine is closed. Resolves when it waits or has ended. */
  async leave(worker: Worker): Promise<void> {
    if (this.#spare.length >= this.#mostSpare) return this.end(worker);
    worker.unref();
    this.#spare.push(worker);
  }

  /** Ends those that wait. */
  async close(): Promise<void> {
    await Promise.all(this.#spare.splice(0).map((worker) => this.end(worker)));
  }

  /** Resolves when it has ended. */
  async end(worker: Worker): Promise<void> {
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.ref();
    worker.postMessage({ type: 'end' }); // `ToWorker`
    await exited;
  }

  #start(): Worker {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { name: 'engine' });
    worker.on('error', () => undefined); // told by the engine on it; the exit follows
    worker.once('exit', () => {
      const index = this.#spare.indexOf(worker);
      if (index >= 0) this.#spare.splice(index, 1);
    });
    return worker;
  }
}
