/** Runs engine batches against one model and keeps its encoded contexts by slot. Lives in the engine's worker. */
import { performance } from 'node:perf_hooks';
import { Fault } from '../errors.js';
import { encodeContexts } from './encode.js';
import { done, failed, type EngineBatch, type EngineResult, type Outcome } from './engine.js';
import { discard } from './memory.js';
import { scoreItems } from './score.js';
import type { EncodedContext, LoadedModel } from './stages.js';

export class BatchRunner {
  private readonly slots = new Map<number, EncodedContext>();

  constructor(private readonly model: LoadedModel) {}

  /** Rejects with what nobody foresaw, e.g. no memory; the slots that the batch releases are forgotten all the same. */
  async run(batch: EngineBatch): Promise<EngineResult> {
    try {
      return await this.compute(batch);
    } finally {
      for (const slot of batch.release) this.release(slot);
    }
  }

  private async compute(batch: EngineBatch): Promise<EngineResult> {
    const startMs = performance.now();
    const encoded = await encodeContexts(this.model, batch.encode);
    const encodeFailures = new Map<number, Outcome<EncodedContext>>();
    for (const [index, outcome] of encoded.entries()) {
      const { slot } = batch.encode[index]!;
      if (outcome.ok) this.slots.set(slot, outcome.value);
      else encodeFailures.set(slot, outcome);
    }
    // nothing to encode took no time
    const encodedMs = batch.encode.length === 0 ? startMs : performance.now();
    const contextOf = (slot: number): Outcome<EncodedContext> => {
      const failure = encodeFailures.get(slot);
      if (failure) return failure;
      const context = this.slots.get(slot);
      return context ? done(context) : failed(new Fault('internal', `slot ${slot} holds no encoded context`));
    };
    const scored = await scoreItems(this.model, batch.score, contextOf);
    return {
      encoded: encoded.map((outcome) => (outcome.ok ? done({ bytes: outcome.value.bytes }) : outcome)),
      scored,
      encodeMs: encodedMs - startMs,
      scoreMs: performance.now() - encodedMs,
    };
  }

  private release(slot: number): void {
    this.model.queries.release(slot);
    discard(this.slots.get(slot)?.memory ?? []);
    this.slots.delete(slot);
  }
}
