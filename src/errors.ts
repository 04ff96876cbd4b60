/**
 * The one typed error of the project. An expected failure says which field is wrong, what was found, what was
 * wanted and how to mend it; `src/grpc/transport/status.ts` maps `kind` to a gRPC code, the CLI maps it to an exit code.
 * Between threads it travels as plain data, since a message leaves the class behind.
 */

/** What went wrong, independent of transport. */
export type FaultKind =
  /** The caller's input is wrong: shape, dtype, value, key, flag, file. */
  | 'invalid'
  /** A named thing (model, context id, file) does not exist. */
  | 'not_found'
  /** The thing exists but is not in a state to do this (warming, wrong digest, missing calibration). */
  | 'precondition'
  /** A bound was reached (queue, cache, connections). */
  | 'exhausted'
  | 'deadline'
  | 'cancelled'
  /** A newer request of the same stream took this one's place. */
  | 'superseded'
  /** Draining or stopped; another replica may answer. */
  | 'unavailable'
  | 'unauthenticated'
  | 'denied'
  /** A fault of ours: the client gets a fixed message, the log the whole error. */
  | 'internal';

export interface FaultDetail {
  /** Path of the offending field, e.g. `candidates.shape[2]`, `energy.json: heads`. */
  field?: string;
  /** What was found there. */
  found?: string;
  /** What was wanted there. */
  wanted?: string;
  /** What the reader can do about it. */
  mend?: string;
  /** Milliseconds after which trying again makes sense (kind `exhausted` or `unavailable`). */
  retryAfterMs?: number;
  cause?: unknown;
}

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly kind: FaultKind;
  readonly field?: string;
  readonly found?: string;
  readonly wanted?: string;
  readonly mend?: string;
  readonly retryAfterMs?: number;
  /** The message without field, found, wanted and mend. */
  readonly summary: string;

  constructor(kind: FaultKind, summary: string, detail: FaultDetail = {}) {
    super(describe(summary, detail), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.kind = kind;
    this.summary = summary;
    if (detail.field !== undefined) this.field = detail.field;
    if (detail.found !== undefined) this.found = detail.found;
    if (detail.wanted !== undefined) this.wanted = detail.wanted;
    if (detail.mend !== undefined) this.mend = detail.mend;
    if (detail.retryAfterMs !== undefined) this.retryAfterMs = detail.retryAfterMs;
  }
}

function describe(summary: string, { field, found, wanted, mend }: FaultDetail): string {
  let text = field === undefined ? summary : `${field}: ${summary}`;
  if (found !== undefined) text += `; found ${found}`;
  if (wanted !== undefined) text += `; wanted ${wanted}`;
  if (mend !== undefined) text += `. ${mend}`;
  return text;
}

/** Shorthand for the most common fault: the caller's input is wrong. */
export function invalid(field: string, summary: string, detail: Omit<FaultDetail, 'field'> = {}): Fault {
  return new Fault('invalid', summary, { field, ...detail });
}

/** The fault itself, or an `internal` one that carries the unexpected error as its cause. */
export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault('internal', error instanceof Error ? error.message : String(error), { cause: error });
}

/** A fault on its way between threads. */
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
