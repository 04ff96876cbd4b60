/**
 * Decisions of one served model that may still get an outcome, and what outcomes tell of its gate. Invariants: at most
 * `MOST_DECISIONS` are remembered, each for at most `MEMORY_MS`; a decision gets one outcome; an episode counts once.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../batching/clock.js';
import { Fault, invalid } from '../errors.js';
import { drawnOutcome, GateMonitor, pairedOutcome } from '../selection/gate-monitor.js';

/** A robot's day has long episodes; an outcome that comes later than this is of nothing that anybody remembers. */
const MEMORY_MS = 3_600_000;
const MOST_DECISIONS = 16_384;
/** Episodes that have counted are remembered so that they do not count again. */
const MOST_EPISODES = 65_536;

export interface Remembered {
  readonly owner: string | undefined;
  readonly episode: number | undefined;
  /** N. */
  readonly candidates: number;
  /** Which candidate was answered; undefined: an average. */
  readonly executed: number | undefined;
  /** What the outcome can say of the gate: it accepted, and its choice or (control arm) the baseline was answered. */
  readonly trial: 'choice' | 'control' | undefined;
  /** Of the calibration that the gate is of. */
  readonly calibrationVersion: string;
  /** Told once, with the outcome, or without when there will be none. */
  readonly onOutcome?: (
    outcome: { readonly cost: number; readonly executed: number | undefined } | undefined,
  ) => void;
}

export interface Report {
  readonly requestId: string;
  /** Undefined: what was answered. */
  readonly executed: number | undefined;
  /** From 0 to 1. */
  readonly cost: number;
  readonly baselineCost: number | undefined;
  readonly wholeEpisode: boolean;
}

export interface Reported {
  readonly decisions: number;
  /** Why it did not count; undefined: it did. */
  readonly notCounted: string | undefined;
  /** Undefined: no gate has asked for one. */
  readonly monitor: GateMonitor | undefined;
  /** This outcome closed the gate. */
  readonly closed: boolean;
}

interface Entry extends Remembered {
  readonly untilMs: number;
}

export class Decisions {
  readonly #clock: Clock;
  /** Share of accepted requests that get the baseline. */
  readonly #controlShare: number;
  readonly #salt = randomBytes(16);
  /** In the order of their time. */
  readonly #entries = new Map<string, Entry>();
  readonly #counted = new Set<number>();
  #monitor: { readonly version: string; readonly gate: GateMonitor } | undefined;

  constructor(clock: Clock, controlShare: number) {
    this.#clock = clock;
    this.#controlShare = controlShare;
  }

  /** Of the gate in force; undefined before the first decision behind it. */
  get monitor(): GateMonitor | undefined {
    return this.#monitor?.gate;
  }

  /** Decisions that are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether the gate of a calibration, with its bound on harm, has not been closed; begins to watch over it. */
  isOpen(calibrationVersion: string, bound: number): boolean {
    if (this.#monitor?.version !== calibrationVersion) {
      this.#monitor = { version: calibrationVersion, gate: new GateMonitor(bound) };
    }
    return this.#monitor.gate.open;
  }

  /** Whether a request belongs to the control arm: whole episodes do or do not. */
  isControl(episode: number | undefined): boolean {
    return this.#controlShare > 0 && this.draw('control', episode) < this.#controlShare;
  }

  /** Uniform in [0, 1); the same for all requests of an episode, independent between labels. */
  draw(label: string, episode: number | undefined): number {
    const hash = createHash('sha256').update(this.#salt).update(label);
    const unit = episode === undefined ? randomBytes(8) : String(episode);
    return hash.update(unit).digest().readUInt32LE() / 2 ** 32;
  }

  /** Returns the id by which the outcome will be reported. */
  remember(decision: Remembered): string {
    const nowMs = this.#clock.nowMs();
    for (const [id, { untilMs }] of this.#entries) {
      if (untilMs > nowMs && this.#entries.size < MOST_DECISIONS) break;
      this.#forget(id);
    }
    const id = randomBytes(12).toString('hex');
    this.#entries.set(id, { ...decision, untilMs: nowMs + MEMORY_MS });
    return id;
  }

  knows(requestId: string): boolean {
    return this.#entries.has(requestId);
  }

  /** Errors: `not_found`; `invalid` a report that contradicts the decision. */
  report(report: Report, owner: string | undefined): Reported {
    const { requestId, executed, wholeEpisode } = report;
    const entry = this.#entries.get(requestId);
    if (entry === undefined || entry.owner !== owner || entry.untilMs <= this.#clock.nowMs()) {
      throw new Fault('not_found', 'no such decision', {
        field: 'request_id',
        found: requestId.slice(0, 64),
        wanted: 'the request_id of an answer of the last hour that has no outcome yet',
      });
    }
    if (executed !== undefined && executed >= entry.candidates) {
      throw invalid('executed_index', 'no such candidate', {
        found: String(executed),
        wanted: `below ${entry.candidates}`,
      });
    }
    if (!wholeEpisode) return this.#settle([[requestId, entry]], report);
    if (entry.episode === undefined) {
      throw invalid('whole_episode', 'the request named no episode', {
        found: 'a request without episode_id',
        wanted: 'one with it',
      });
    }
    if (executed !== undefined) {
      throw invalid('executed_index', 'an episode has many decisions', {
        found: 'executed_index with whole_episode',
        wanted: 'one of the two',
      });
    }
    const nowMs = this.#clock.nowMs();
    const all = [...this.#entries].filter(
      ([, other]) => other.episode === entry.episode && other.owner === owner && other.untilMs > nowMs,
    );
    return this.#settle(all, report);
  }

  /** No outcome will come any more. */
  close(): void {
    for (const id of this.#entries.keys()) this.#forget(id);
  }

  #settle(entries: readonly [string, Entry][], report: Report): Reported {
    const wasOpen = this.#monitor?.gate.open;
    const notCounted = this.#count(entries, report);
    for (const [id, entry] of entries) {
      this.#entries.delete(id);
      entry.onOutcome?.({ cost: report.cost, executed: report.executed ?? entry.executed });
    }
    const monitor = this.#monitor?.gate;
    return {
      decisions: entries.length,
      notCounted,
      monitor,
      closed: wasOpen === true && monitor?.open === false,
    };
  }

  /** Gives the monitor one value at most; returns why none. */
  #count(entries: readonly [string, Entry][], { executed, cost, baselineCost }: Report): string | undefined {
    const trial = entries.find(([, { trial }]) => trial !== undefined)?.[1];
    if (trial?.trial === undefined) return 'the gate had not accepted: nothing to compare';
    const monitor = this.#monitor;
    if (monitor?.version !== trial.calibrationVersion) return 'the model has been calibrated again since';
    if (executed !== undefined && executed !== trial.executed)
      return 'something else than the answer was executed';
    const paired = baselineCost !== undefined && trial.trial === 'choice';
    if (!paired && this.#controlShare === 0) {
      return 'there is nothing to compare with: give baseline_cost, or serve with --control-share';
    }
    if (trial.episode !== undefined) {
      if (this.#counted.has(trial.episode)) return 'an outcome of this episode has counted already';
      if (this.#counted.size >= MOST_EPISODES) this.#counted.delete(this.#counted.values().next().value!);
      this.#counted.add(trial.episode);
    }
    monitor.gate.observe(
      paired
        ? pairedOutcome(cost, baselineCost)
        : drawnOutcome(cost, trial.trial === 'control', this.#controlShare),
    );
    return undefined;
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    entry?.onOutcome?.(undefined);
  }
}
