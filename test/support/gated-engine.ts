/** Servers whose engines a test holds, so that it decides what runs and what waits. */
import type { Engine, EngineBatch, EngineResult } from '../../src/engine/engine.js';
import { Fault } from '../../src/errors.js';
import type { GoldenCase } from './bundles.js';
import { serveGolden, startTestEngine, type Flags, type TestService } from './service.js';

/** A real engine whose batches wait while it is shut. */
export class GatedEngine implements Engine {
  readonly info: Engine['info'];
  readonly failed: Promise<Fault>;
  /** Batches that were begun. */
  batches = 0;
  readonly #engine: Engine;
  #open: Promise<void> = Promise.resolve();
  #release: () => void = () => undefined;
  #fail!: (fault: Fault) => void;
  #dead: Fault | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.info = engine.info;
    this.failed = Promise.race([engine.failed, new Promise<Fault>((resolve) => (this.#fail = resolve))]);
  }

  shut(): void {
    this.#open = new Promise((resolve) => (this.#release = resolve));
  }

  open(): void {
    this.#release();
  }

  /** As if the worker had died. */
  die(): void {
    this.#dead = new Fault('internal', 'the worker died in a test');
    this.#fail(this.#dead);
    this.open();
  }

  async run(batch: EngineBatch): Promise<EngineResult> {
    this.batches++;
    await this.#open;
    if (this.#dead !== undefined) throw this.#dead;
    return this.#engine.run(batch);
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

export interface GatedService extends TestService {
  /** The first that was started. */
  readonly engine: GatedEngine;
  /** All of them, those of a reload too, in the order of their start. */
  readonly engines: readonly GatedEngine[];
}

/** Golden models on gated engines, with metrics. */
export async function serveGatedEngines(
  names: readonly GoldenCase[],
  flags: Flags = {},
): Promise<GatedService> {
  const engines: GatedEngine[] = [];
  const service = await serveGolden(names, { 'metrics-address': '127.0.0.1:0', ...flags }, async (bundle) => {
    const engine = new GatedEngine(await startTestEngine(bundle));
    engines.push(engine);
    return engine;
  });
  return { ...service, engine: engines[0]!, engines };
}
