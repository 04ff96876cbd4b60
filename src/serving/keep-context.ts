/** Contexts that are encoded once and scored many times: kept, and forgotten before their lease ends. */
import type { KeptContext } from '../batching/context-cache.js';
import { Fault } from '../errors.js';
import { checkedId, checkedInline, type InlineInput } from './checked-inputs.js';
import type { Scope } from './scope.js';
import type { ModelVersion, ServedModel } from './served-model.js';
import { submitWork, timingsOf, type ServingParts, type Timings } from './admission.js';

export interface PutRequest {
  readonly context: InlineInput;
  /** 0: the server's default. */
  readonly leaseMs: number;
  readonly move: boolean;
  /** What parsing the message took. */
  readonly decodeMs: number;
}

export interface PutAnswer {
  readonly kept: KeptContext;
  readonly version: ModelVersion;
  readonly timings: Timings;
}

/** Errors: a context that does not fit the model; `exhausted` without room for it; what the scheduler ends a work with. */
export async function putContext(
  parts: ServingParts,
  model: ServedModel,
  { context, leaseMs, move, decodeMs }: PutRequest,
  scope: Scope,
): Promise<PutAnswer> {
  const checked = checkedInline(parts, model, context, move);
  const keep = { leaseMs: leaseMs || parts.contexts.leaseMs };
  const work = { contexts: [{ ...checked, keep }], task: { kind: 'encode' } } as const;
  const result = await submitWork(parts, scope, model, work, decodeMs);
  const [kept] = result.kept;
  if (kept === undefined) throw new Fault('internal', 'an encoded context came back without an id');
  return { kept, version: model.version, timings: timingsOf(result, scope) };
}

/** Returns the bytes that it held. Errors: `not_found`. */
export function dropContext(model: ServedModel, contextId: string, { caller }: Scope): number {
  return model.scheduler.drop(checkedId('context_id', contextId), caller.owner);
}
