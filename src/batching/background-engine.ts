/**
 * A scheduler's idle time as an engine, for long work beside live requests (calibration). Every item of a batch is one
 * background work, which the scheduler cuts into pieces that go when nobody else wants the real engine. It is the engine
 * that scores live requests, so the energies are the same.
 */
import {
  done,
  failed,
  type Engine,
  type EngineBatch,
  type EngineResult,
  type Outcome,
} from '../engine/engine.js';
import { Fault, toFault } from '../errors.js';
import type { Scheduler } from './scheduler.js';
import { visibleTokens, type HeldContext, type Work, type WorkResult } from './work.js';

export interface BackgroundEngineOptions {
  readonly scheduler: Scheduler;
  readonly info: Engine['info'];
  readonly failed: Engine['failed'];
  /** Fairness key among background work. */
  readonly client: string;
  /** Aborted: what waits and everything after rejects with its reason. */
  readonly signal: AbortSignal;
}

/** Faults of one item; any other ends the whole batch. */
function isItemFault({ kind }: Fault): boolean {
  return kind === 'invalid';
}

export class BackgroundEngine implements Engine {
  readonly #options: BackgroundEngineOptions;
  readonly #slots = new Map<number, Outcome<HeldContext>>();

  constructor(options: BackgroundEngineOptions) {
    this.#options = options;
  }

  get info(): Engine['info'] {
    return this.#options.info;
  }

  get failed(): Engine['failed'] {
    return this.#options.failed;
  }

  async run({ encode, score, release }: EngineBatch): Promise<EngineResult> {
    let encodeMs = 0;
    let scoreMs = 0;
    const submit = async (work: Pick<Work, 'contexts' | 'task' | 'hold'>): Promise<WorkResult> => {
      const { scheduler, client, signal } = this.#options;
      const result = await scheduler.submit({
        client,
        signal,
        deadlineMs: Infinity,
        priority: 'background',
        ...work,
      });
      encodeMs += result.timings.encodeMs;
      scoreMs += result.timings.scoreMs;
      return result;
    };
    const encoded: Outcome<{ bytes: number }>[] = [];
    for (const { slot, ...item } of encode) {
      const held = await outcomeOf(async () => {
        const contexts = [{ kind: 'inline', encode: item } as const];
        return (await submit({ contexts, task: { kind: 'encode' }, hold: true })).held![0]!;
      });
      this.#slots.set(slot, held);
      encoded.push(held.ok ? done({ bytes: visibleTokens(item) * this.info.bytesPerToken }) : held);
    }
    const scored: Outcome<Float32Array>[] = [];
    for (const { slots, actions: values, candidates, steps } of score) {
      const contexts = slots.map((slot) => this.#held(slot));
      const lost = contexts.find(({ ok }) => !ok);
      if (lost?.ok === false) {
        scored.push(lost);
        continue;
      }
      scored.push(
        await outcomeOf(async () => {
          const { raw } = await submit({
            contexts: contexts.flatMap((held) =>
              held.ok ? [{ kind: 'held', held: held.value } as const] : [],
            ),
            task: { kind: 'score', actions: { values, candidates, steps } },
          });
          if (raw === undefined) throw new Fault('internal', 'a scored work came back without raw steps');
          return raw;
        }),
      );
    }
    this.#release(release);
    return { encoded, scored, encodeMs, scoreMs };
  }

  /** Gives back every context that is left. */
  close(): Promise<void> {
    this.#release([...this.#slots.keys()]);
    return Promise.resolve();
  }

  #held(slot: number): Outcome<HeldContext> {
    return this.#slots.get(slot) ?? failed(new Fault('internal', `slot ${slot} is not encoded`));
  }

  #release(slots: readonly number[]): void {
    const held: HeldContext[] = [];
    for (const slot of slots) {
      const context = this.#slots.get(slot);
      if (context?.ok) held.push(context.value);
      this.#slots.delete(slot);
    }
    if (held.length > 0) this.#options.scheduler.release(held);
  }
}

async function outcomeOf<T>(run: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return done(await run());
  } catch (error) {
    const fault = toFault(error);
    if (!isItemFault(fault)) throw fault;
    return failed(fault);
  }
}
