/**
 * A scheduler's idle time as an engine, for long work beside live requests (calibration). Every batch is cut into the
 * smallest pieces that make sense, one context or as many chunks as a background batch may hold, and each piece waits
 * until nobody else wants the real engine. It is the engine that scores live requests, so the energies are the same.
 */
import type { Engine, EngineBatch, EngineResult, ScoreItem } from '../engine/engine.js';
import type { Outcome } from '../engine/outcome.js';
import { Fault, toFault } from '../errors.js';
import { DEFAULT_BACKGROUND_BUDGET } from './defaults.js';
import type { Scheduler } from './scheduler.js';
import type { HeldContext, Work, WorkResult } from './work.js';

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
  readonly #slots = new Map<number, HeldContext | Fault>();

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
    const submit = async (work: Pick<Work, 'contexts' | 'actions' | 'hold'>): Promise<WorkResult> => {
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
      const outcome = await outcomeOf(async () => {
        const { held, batch } = await submit({ contexts: [{ kind: 'inline', encode: item }], hold: true });
        this.#slots.set(slot, held![0]!);
        return { bytes: batch.tokens * this.info.bytesPerToken };
      });
      if (!outcome.ok) this.#slots.set(slot, outcome.fault);
      encoded.push(outcome);
    }
    const scored: Outcome<Float32Array>[] = [];
    for (const item of score) scored.push(await outcomeOf(() => this.#score(item, submit)));
    this.#release(release);
    return { encoded, scored, encodeMs, scoreMs };
  }

  /** Gives back every context that is left. */
  close(): Promise<void> {
    this.#release([...this.#slots.keys()]);
    return Promise.resolve();
  }

  /** [slots, N, H]. */
  async #score(
    { slots, actions, candidates, steps }: ScoreItem,
    submit: (work: Pick<Work, 'contexts' | 'actions'>) => Promise<WorkResult>,
  ): Promise<Float32Array> {
    const raw = new Float32Array(slots.length * candidates * steps);
    const size = actions.length / candidates;
    const most = Math.max(1, Math.floor(DEFAULT_BACKGROUND_BUDGET.steps / steps));
    for (const [row, slot] of slots.entries()) {
      const held = this.#slots.get(slot);
      if (held === undefined) throw new Fault('internal', `slot ${slot} is not encoded`);
      if (held instanceof Fault) throw held;
      for (let from = 0; from < candidates; from += most) {
        const to = Math.min(candidates, from + most);
        const piece = await submit({
          contexts: [{ kind: 'held', held }],
          actions: { values: actions.slice(from * size, to * size), candidates: to - from, steps },
        });
        if (piece.raw === undefined) throw new Fault('internal', 'a scored work came back without raw steps');
        raw.set(piece.raw, (row * candidates + from) * steps);
      }
    }
    return raw;
  }

  #release(slots: readonly number[]): void {
    const held: HeldContext[] = [];
    for (const slot of slots) {
      const context = this.#slots.get(slot);
      if (context !== undefined && !(context instanceof Fault)) held.push(context);
      this.#slots.delete(slot);
    }
    if (held.length > 0) this.#options.scheduler.release(held);
  }
}

async function outcomeOf<T>(run: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    const fault = toFault(error);
    if (!isItemFault(fault)) throw fault;
    return { ok: false, fault };
  }
}
