/** PutContext and DropContext. */
import { systemClock } from '../../batching/clock.js';
import type { DropContextRequest__Output } from '../../generated/action_energy/v1/DropContextRequest.js';
import type { DropContextResponse } from '../../generated/action_energy/v1/DropContextResponse.js';
import type { PutContextRequest__Output } from '../../generated/action_energy/v1/PutContextRequest.js';
import type { PutContextResponse } from '../../generated/action_energy/v1/PutContextResponse.js';
import { Fault } from '../../errors.js';
import { submitWork, type Parsed, type Scope } from '../transport/unary.js';
import { decodeContext, keptContext } from './context-message.js';
import {
  countTokens,
  keptMessage,
  leaseOf,
  modelOf,
  modelWithRoom,
  timingsOf,
  type EnergyParts,
} from './score-actions.js';

export async function putContext(
  parts: EnergyParts,
  { message, move, decodeMs }: Parsed<PutContextRequest__Output>,
  scope: Scope,
): Promise<PutContextResponse> {
  const model = modelWithRoom(parts, scope, message.model);
  const decoded = decodeContext('context', message.context, model.card, parts.limits.tokens, move);
  countTokens(parts.metrics, model, decoded);
  const keep = { leaseMs: leaseOf(parts.contexts, message.leaseMs) };
  const result = await submitWork(
    parts.metrics,
    scope,
    model,
    { contexts: [{ kind: 'inline', encode: decoded.encode, keep }] },
    decodeMs + systemClock.nowMs() - scope.startMs,
  );
  const [kept] = result.kept;
  if (kept === undefined) throw new Fault('internal', 'an encoded context came back without an id');
  return { context: keptMessage(kept), model: model.version, timings: timingsOf(result, scope) };
}

export function dropContext(
  parts: EnergyParts,
  { message }: Parsed<DropContextRequest__Output>,
  scope: Scope,
): DropContextResponse {
  const model = modelOf(parts, scope, message.model);
  keptContext('context_id', message.contextId);
  return { bytes: model.scheduler.drop(message.contextId, scope.caller.owner) };
}
