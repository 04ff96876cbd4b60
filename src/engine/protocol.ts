/** Messages between an engine and its worker thread. Faults lose their class on the way, so they travel as plain data. */
import { Fault, type FaultKind } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { Tensor } from '../tensor/tensor.js';
import type { EngineBatch, EngineInfo, EngineResult, Precision, Provider } from './engine.js';
import type { Outcome } from './outcome.js';

export interface WorkerStart {
  readonly card: ModelCard;
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly provider: Provider | 'auto';
  readonly precision: Precision;
  readonly threads: number;
  readonly deviceId: number;
}

export type ToWorker =
  { readonly type: 'run'; readonly id: number; readonly batch: EngineBatch } | { readonly type: 'close' };

export type FromWorker =
  | { readonly type: 'ready'; readonly info: EngineInfo }
  | { readonly type: 'refused'; readonly fault: PlainFault }
  | { readonly type: 'result'; readonly id: number; readonly result: PlainResult }
  | { readonly type: 'error'; readonly id: number; readonly fault: PlainFault };

export interface PlainFault {
  readonly kind: FaultKind;
  readonly summary: string;
  readonly field?: string | undefined;
  readonly found?: string | undefined;
  readonly wanted?: string | undefined;
  readonly mend?: string | undefined;
  /** Stack of the original error, for the log. */
  readonly stack?: string | undefined;
}

type PlainOutcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: PlainFault };
export interface PlainResult extends Omit<EngineResult, 'encoded' | 'scored'> {
  readonly encoded: readonly PlainOutcome<{ readonly bytes: number }>[];
  readonly scored: readonly PlainOutcome<Float32Array>[];
}

export function plainFault(fault: Fault): PlainFault {
  const { kind, summary, field, found, wanted, mend } = fault;
  const cause = fault.cause instanceof Error ? fault.cause : fault;
  return { kind, summary, field, found, wanted, mend, stack: cause.stack };
}

export function revivedFault({ kind, summary, field, found, wanted, mend, stack }: PlainFault): Fault {
  return new Fault(kind, summary, {
    ...(field === undefined ? {} : { field }),
    ...(found === undefined ? {} : { found }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(mend === undefined ? {} : { mend }),
    ...(kind === 'internal' ? { cause: stack } : {}),
  });
}

function plainOutcome<T>(outcome: Outcome<T>): PlainOutcome<T> {
  return outcome.ok ? outcome : { ok: false, fault: plainFault(outcome.fault) };
}

function revivedOutcome<T>(outcome: PlainOutcome<T>): Outcome<T> {
  return outcome.ok ? outcome : { ok: false, fault: revivedFault(outcome.fault) };
}

export function plainResult(result: EngineResult): PlainResult {
  return { ...result, encoded: result.encoded.map(plainOutcome), scored: result.scored.map(plainOutcome) };
}

export function revivedResult(result: PlainResult): EngineResult {
  return {
    ...result,
    encoded: result.encoded.map(revivedOutcome),
    scored: result.scored.map(revivedOutcome),
  };
}
