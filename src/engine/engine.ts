/**
 * What the rest of the program sees of an engine: batches in, raw per-step values out. One engine is one worker thread
 * with the sessions of one model on one device; encoded contexts stay there, addressed by slots that the caller chooses.
 */
import { plainFault, revivedFault, type Fault, type PlainFault } from '../errors.js';
import type { TokenDType } from '../model/context.js';
import type { Score } from '../model/energy.js';

export type { TokenDType };

/** One context to encode into `slot`. */
export interface EncodeItem {
  /** Any unused non-negative integer; stays taken until released. */
  readonly slot: number;
  readonly dtype: TokenDType;
  /** Row-major [S, D], little-endian ([1, D] for a global_context model). */
  readonly bytes: Uint8Array;
  /** Half-open row ranges of the visible tokens, ascending and disjoint; their total length is T, at least 1. */
  readonly visible: readonly (readonly [start: number, end: number])[];
  /**
   * True when the caller gives up the whole ArrayBuffer behind `bytes`: a large one is moved, not copied, and detached
   * here. Do not read it afterwards.
   */
  readonly move: boolean;
}

/** Candidates to score against one or several encoded contexts (several: every context by every candidate). */
export interface ScoreItem {
  readonly slots: readonly number[];
  /** [N, H, A] row-major. */
  readonly actions: Float32Array;
  readonly candidates: number; // N
  readonly steps: number; // H
  /**
   * These candidates are [first, first + N) of the `candidates` of a work that comes in pieces: what the engine computes of them
   * alone it may keep for the work's other contexts, until `work` is released: a number that no slot and no other work has.
   */
  readonly part?: { readonly work: number; readonly first: number; readonly candidates: number };
  /** Of one context: also the gradient of each energy by its own chunk. */
  readonly slope?: Slope;
}

/** Which energy is differentiated. */
export interface Slope {
  readonly score: Score;
  /** Weights [H] of a weighted sum over steps, or the window of a windowed maximum. */
  readonly pool: Float32Array | { readonly window: number };
}

export interface EngineBatch {
  /** Encoded first. */
  readonly encode: readonly EncodeItem[];
  /** Scored next; may name slots of `encode`. An item whose slot failed to encode fails with that fault. */
  readonly score: readonly ScoreItem[];
  /** Forgotten last: slots, and works of which parts were scored. */
  readonly release: readonly number[];
}

export interface EngineResult {
  /** One an `encode` item: bytes that the encoded context holds. */
  readonly encoded: readonly Outcome<{ readonly bytes: number }>[];
  /**
   * One a `score` item: raw per-step values r, [slots, N, H] row-major; of one with a slope [N, H + H*A], for each chunk its raw
   * steps and then dE/dA.
   */
  readonly scored: readonly Outcome<Float32Array>[];
  readonly encodeMs: number;
  readonly scoreMs: number;
}

export type Provider = 'cpu' | 'cuda' | 'webgpu';

/** Arithmetic of the context encoder; `int8` is an approximation (docs/decisions/0003-int8.md). */
export type Precision = 'float32' | 'int8';

export interface EngineInfo {
  readonly provider: Provider;
  readonly precision: Precision;
  /** Providers tried before, with the reason for which each was refused (`auto` only). */
  readonly refused: readonly { readonly provider: Provider; readonly reason: string }[];
  readonly threads: number;
  /** Bytes that an encoded context of T tokens holds: `T * bytesPerToken`. */
  readonly bytesPerToken: number;
}

export interface Engine {
  readonly info: EngineInfo;
  /**
   * Batches run one at a time in call order. Rejects when this batch is lost (the next one runs), and when the engine has
   * failed or is closed.
   */
  run(batch: EngineBatch): Promise<EngineResult>;
  /** Resolves with the cause when the worker dies by itself; never for a `close()`. */
  readonly failed: Promise<Fault>;
  /** Finishes the running batch, then stops the worker. Idempotent. */
  close(): Promise<void>;
}

/** What becomes of one item of a batch: its value, or the fault that ended it alone. Plain data, which crosses threads. */
export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: PlainFault };

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function failed(fault: Fault): { readonly ok: false; readonly fault: PlainFault } {
  return { ok: false, fault: plainFault(fault) };
}

/** The value. Errors: the item's fault, its field led by `where`. */
export function valueOf<T>(outcome: Outcome<T>, where?: string): T {
  if (outcome.ok) return outcome.value;
  const { field } = outcome.fault;
  if (where === undefined) throw revivedFault(outcome.fault);
  throw revivedFault({ ...outcome.fault, field: field === undefined ? where : `${where}: ${field}` });
}
