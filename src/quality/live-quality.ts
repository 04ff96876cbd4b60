/**
 * How good the served energies are, while they are served. Of a share of the live requests one chunk is scored once more
 * among chunks of other moments (`sampling.ts`): one InfoNCE row each, so that Positive and Negative Energy, loss,
 * accuracy and gap are live series, and drift is seen against the calibration.
 *
 * It stands behind every request. The context is not encoded again: the request leaves it in the engine for a moment
 * (`Work.hold`). The negatives are one background work of a few chunks, which begins only when the engine has nothing
 * else to do; a request that arrives while it runs waits for those few chunks at most. When the engine stays busy for
 * `patienceMs`, the sample is dropped and counted. At most one context a model is held.
 */
import { DEFAULT_BACKGROUND_BOUNDS } from '../batching/defaults.js';
import type { Clock } from '../batching/clock.js';
import type { Scheduler } from '../batching/scheduler.js';
import type { HeldContext } from '../batching/work.js';
import type { Random } from '../random.js';
import type { Calibration } from '../calibration/calibration-schema.js';
import { toFault, type Fault } from '../errors.js';
import type { ActionBatch } from '../model/actions.js';
import type { ModelCard } from '../model/card.js';
import { energiesFromRaw } from '../model/energy.js';
import { DriftWindow, qualityRow, meanRow, Recent, type QualityRow } from './figures.js';
import { Reservoir, Sampler } from './sampling.js';

/**
 * Which candidate counts as the right one. `expert` and `executed`: the caller says so. `best`: nobody does, and the
 * lowest energy is taken; that is the model judging itself, so its figures are too good and are told apart.
 */
export const SOURCES = ['expert', 'executed', 'best'] as const;
export type Source = (typeof SOURCES)[number];

/**
 * `taken`, or why a sample that was drawn came to nothing: `budget` chunks a second are spent; `outstanding` the one
 * before is not done; `few_chunks` not enough chunks of other moments yet; `busy` the engine had no time; `failed`.
 */
export const OUTCOMES = [
  'taken',
  'budget',
  'outstanding',
  'few_chunks',
  'busy',
  'request_failed',
  'failed',
] as const;
export type SampleOutcome = (typeof OUTCOMES)[number];

export interface QualitySettings {
  /** Share of the requests that are sampled. */
  readonly share: number;
  /** Negatives of a sample, at most. */
  readonly negatives: number;
  readonly chunksPerSecond: number;
  readonly patienceMs: number;
}

export interface LiveQualityOptions {
  readonly card: ModelCard;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: QualitySettings;
  /** The calibration in force. */
  readonly calibration: () => Calibration | undefined;
  /** `cause`: of `busy`, `request_failed` and `failed`. */
  readonly onSample: (outcome: SampleOutcome, cause?: Fault) => void;
}

/** A request that was answered. */
export interface Observed {
  readonly actions: ActionBatch;
  /** Raw steps [N, H]. */
  readonly raw: Float32Array;
  /** [N] as the card defines them, where the answer had them. */
  readonly energies?: Float64Array;
  /** The chunk that the caller says is the right one. */
  readonly known?: { readonly source: 'expert' | 'executed'; readonly index: number };
  /** Its context, when `wants` said so. */
  readonly held?: readonly HeldContext[];
}

/** Figures of one source, over its last samples; what too few samples tell nothing about is absent. */
export interface QualityFigures {
  readonly source: Source;
  readonly row?: QualityRow;
  readonly drift?: number;
}

interface Chunk {
  /** [H, A]. */
  readonly values: Float32Array;
  readonly steps: number;
}

/** Negatives come from at least the last 10 minutes; figures are over no more. */
const WINDOW_MS = 600_000;
const RESERVOIR_CHUNKS = 256;
const RECENT_ROWS = 256;
const RECENT_ENERGIES = 1024;
/** A row against fewer says little, and cannot be compared with the others. */
const FEWEST_NEGATIVES = 2;
/** Where no calibration says otherwise: nearer than this to the positive, in action units, a chunk is no negative. */
const NEAR_DUPLICATE = 0.1;

export class LiveQuality {
  readonly #options: LiveQualityOptions;
  readonly #sampler: Sampler;
  readonly #reservoir: Reservoir<Chunk>;
  readonly #rows: Readonly<Record<Source, Recent<QualityRow>>>;
  readonly #drift: Readonly<Record<Source, DriftWindow>>;
  #outstanding = false;

  constructor(options: LiveQualityOptions) {
    this.#options = options;
    const { random, settings } = options;
    this.#sampler = new Sampler({ ...settings, random });
    this.#reservoir = new Reservoir({ capacity: RESERVOIR_CHUNKS, windowMs: WINDOW_MS, random });
    const bySource = <T>(make: () => T): Record<Source, T> => ({
      expert: make(),
      executed: make(),
      best: make(),
    });
    this.#rows = bySource(() => new Recent({ capacity: RECENT_ROWS, maxAgeMs: WINDOW_MS }));
    this.#drift = bySource(() => new DriftWindow({ capacity: RECENT_ENERGIES, maxAgeMs: WINDOW_MS }));
  }

  /** Whether the next request's context is to be held for a sample; it must then come to `observe`, or `forgo`. */
  wants(steps: number): boolean {
    const { clock, onSample } = this.#options;
    const negatives = this.#negatives(steps);
    if (negatives < FEWEST_NEGATIVES || !this.#sampler.draws()) return false;
    const outcome = this.#outstanding
      ? 'outstanding'
      : this.#reservoir.size < FEWEST_NEGATIVES
        ? 'few_chunks'
        : this.#sampler.affords(clock.nowMs(), negatives)
          ? undefined
          : 'budget';
    if (outcome !== undefined) {
      onSample(outcome);
      return false;
    }
    this.#outstanding = true;
    return true;
  }

  /** The request whose context was wanted failed. */
  forgo(cause: Fault): void {
    this.#outstanding = false;
    this.#options.onSample('request_failed', cause);
  }

  /** Takes note of an answered request. Never throws; what it starts ends by itself. */
  observe(observed: Observed): void {
    const { card, clock } = this.#options;
    const nowMs = clock.nowMs();
    const { actions, raw, known, held } = observed;
    const { steps } = actions;
    const energies = observed.energies ?? this.#energies(raw, steps);
    const index = known?.index ?? energies.indexOf(energies.reduce((low, each) => Math.min(low, each)));
    const source = known?.source ?? 'best';
    const size = steps * card.action_dim;
    const positive = actions.values.subarray(index * size, (index + 1) * size);
    this.#drift[source].push(nowMs, energies[index]!);
    if (held !== undefined) void this.#sample(source, energies[index]!, positive, steps, held);
    this.#reservoir.offer(nowMs, () => ({ values: positive.slice(), steps }));
  }

  figures(): QualityFigures[] {
    const nowMs = this.#options.clock.nowMs();
    const reference = this.#options.calibration()?.scores.readout.drift;
    return SOURCES.map((source) => {
      const rows = this.#rows[source].values(nowMs);
      const drift = reference && this.#drift[source].index(nowMs, reference);
      return {
        source,
        ...(rows.length > 0 && { row: meanRow(rows) }),
        ...(drift !== undefined && { drift }),
      };
    });
  }

  /** Never rejects. */
  async #sample(
    source: Source,
    positive: number,
    chunk: Float32Array,
    steps: number,
    held: readonly HeldContext[],
  ): Promise<void> {
    const { scheduler, onSample } = this.#options;
    try {
      onSample(await this.#score(source, positive, chunk, steps, held[0]!));
    } catch (error) {
      const fault = toFault(error);
      const { kind } = fault;
      const busy = kind === 'deadline' || kind === 'exhausted' || kind === 'unavailable';
      onSample(busy ? 'busy' : 'failed', fault);
    } finally {
      this.#outstanding = false;
      scheduler.release(held);
    }
  }

  async #score(
    source: Source,
    positive: number,
    chunk: Float32Array,
    steps: number,
    held: HeldContext,
  ): Promise<SampleOutcome> {
    const { card, scheduler, clock, settings, calibration } = this.#options;
    const distinct = this.#distinctFrom(chunk, steps);
    const drawn = this.#reservoir.draw(clock.nowMs(), this.#negatives(steps), distinct);
    if (drawn.length < FEWEST_NEGATIVES) return 'few_chunks';
    const values = new Float32Array(drawn.length * chunk.length);
    for (const [i, negative] of drawn.entries()) values.set(negative.values, i * chunk.length);
    const { raw } = await scheduler.submit({
      client: 'quality',
      deadlineMs: clock.nowMs() + settings.patienceMs,
      signal: new AbortController().signal,
      priority: 'background',
      contexts: [{ kind: 'held', held }],
      task: { kind: 'score', actions: { values, candidates: drawn.length, steps } },
    });
    this.#sampler.spend(drawn.length);
    const tau = calibration()?.scores.readout.temperature.tau ?? card.tau;
    this.#rows[source].push(clock.nowMs(), qualityRow(positive, this.#energies(raw!, steps), tau));
    return 'taken';
  }

  /** Energies as the card defines them: the only ones that can be compared from request to request. */
  #energies(raw: Float32Array, steps: number): Float64Array {
    const { readout, pool } = this.#options.card;
    return energiesFromRaw(raw, steps, { readout, pool, score: 'readout' }).energies;
  }

  /** Negatives of one sample for chunks of H = `steps`: never more than one background batch may hold. */
  #negatives(steps: number): number {
    return Math.min(this.#options.settings.negatives, Math.floor(DEFAULT_BACKGROUND_BOUNDS.steps / steps));
  }

  /** Of the same length, and not nearly the same motion, as the calibration counts it. */
  #distinctFrom(positive: Float32Array, steps: number): (chunk: Chunk) => boolean {
    const data = this.#options.calibration()?.data;
    const units = data?.action_units;
    const threshold = data?.near_duplicate ?? NEAR_DUPLICATE;
    const dims = positive.length / steps;
    return (chunk) => {
      if (chunk.steps !== steps) return false;
      let squares = 0;
      for (let i = 0; i < positive.length; i++) {
        squares += ((chunk.values[i]! - positive[i]!) / (units?.[i % dims] ?? 1)) ** 2;
      }
      return Math.sqrt(squares / positive.length) > threshold;
    };
  }
}
