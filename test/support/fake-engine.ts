/**
 * An engine without a model. It keeps the contract's book strictly (slots free when encoded, there when scored or
 * released) and records what it was given. Time comes from a clock: a batch takes what `msPerToken` and `msPerStep`
 * say. The raw value of step h of candidate n against a context is `first byte of the context + actions[n, h, 0]`.
 */
import type { Clock } from '../../src/batching/clock.js';
import type { Engine, EngineBatch, EngineInfo, EngineResult, Outcome } from '../../src/engine/engine.js';
import { Fault } from '../../src/errors.js';

export interface FakeEngineOptions {
  readonly clock: Clock;
  readonly msPerToken?: number;
  readonly msPerStep?: number;
  readonly bytesPerToken?: number;
  /** Contexts whose first byte is this fail to encode. */
  readonly poison?: number;
}

interface Context {
  readonly first: number;
  readonly fault?: Fault;
}

export class FakeEngine implements Engine {
  readonly info: EngineInfo;
  readonly failed: Promise<Fault>;
  /** Every batch that was handed over, in order. */
  readonly batches: EngineBatch[] = [];
  /** Slots that are taken. */
  readonly slots = new Map<number, Context>();
  /** Works of which parts were scored, until they are released. */
  readonly works = new Set<number>();
  /** The next batch is computed and its result lost: its run rejects, the engine lives on. */
  loseNext = false;
  msPerToken: number;
  msPerStep: number;
  readonly #clock: Clock;
  readonly #poison: number | undefined;
  #fail!: (fault: Fault) => void;
  #death: Fault | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #stopTimer: (() => void) | undefined;
  #abortRun: ((fault: Fault) => void) | undefined;

  constructor({ clock, msPerToken = 0, msPerStep = 0, bytesPerToken = 8, poison }: FakeEngineOptions) {
    this.#clock = clock;
    this.msPerToken = msPerToken;
    this.msPerStep = msPerStep;
    this.#poison = poison;
    this.info = { provider: 'cpu', precision: 'float32', refused: [], threads: 1, bytesPerToken };
    this.failed = new Promise((resolve) => (this.#fail = resolve));
  }

  run(batch: EngineBatch): Promise<EngineResult> {
    this.batches.push(batch);
    const result = this.#tail.then(() => this.#runNow(batch));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** The worker dies: the running batch and every later one reject. */
  die(): void {
    this.#death = new Fault('internal', 'the fake worker died');
    this.#stopTimer?.();
    this.#abortRun?.(this.#death);
    this.#fail(this.#death);
  }

  async close(): Promise<void> {
    await this.#tail;
  }

  async #runNow(batch: EngineBatch): Promise<EngineResult> {
    if (this.#death !== undefined) throw this.#death;
    let tokens = 0;
    let steps = 0;
    const encoded = batch.encode.map(({ slot, bytes, visible }): Outcome<{ bytes: number }> => {
      if (this.slots.has(slot)) throw new Error(`slot ${slot} is taken`);
      const count = visible.reduce((sum, [start, end]) => sum + end - start, 0);
      tokens += count;
      const first = bytes[0] ?? 0;
      if (first === this.#poison) {
        const fault = new Fault('invalid', 'not finite', { field: 'hidden' });
        this.slots.set(slot, { first, fault });
        return { ok: false, fault };
      }
      this.slots.set(slot, { first });
      return { ok: true, value: { bytes: count * this.info.bytesPerToken } };
    });
    const scored = batch.score.map(
      ({ slots, actions, candidates, steps: H, part }): Outcome<Float32Array> => {
        if (part !== undefined) this.works.add(part.work);
        steps += slots.length * candidates * H;
        const A = actions.length / (candidates * H);
        const raw = new Float32Array(slots.length * candidates * H);
        for (const [b, slot] of slots.entries()) {
          const context = this.slots.get(slot);
          if (context === undefined) throw new Error(`slot ${slot} is not encoded`);
          if (context.fault !== undefined) return { ok: false, fault: context.fault };
          for (let i = 0; i < candidates * H; i++) {
            raw[b * candidates * H + i] = context.first + actions[i * A]!;
          }
        }
        return { ok: true, value: raw };
      },
    );
    const encodeMs = tokens * this.msPerToken;
    const scoreMs = steps * this.msPerStep;
    await this.#pass(encodeMs + scoreMs);
    for (const slot of batch.release) {
      if (!this.slots.delete(slot) && !this.works.delete(slot))
        throw new Error(`slot ${slot} was released twice or never encoded`);
    }
    if (this.loseNext) {
      this.loseNext = false;
      throw new Fault('internal', 'the batch was lost');
    }
    return { encoded, scored, encodeMs, scoreMs };
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#abortRun = reject;
      this.#stopTimer = this.#clock.setTimer(ms, resolve);
    });
  }
}
