/** PutContext and DropContext. */
import { systemClock } from '../../batching/clock.js';
import type { KeptContext } from '../../batching/context-cache.js';
import type { DropContextRequest__Output } from '../../generated/action_energy/v1/DropContextRequest.js';
import type { DropContextResponse } from '../../generated/action_energy/v1/DropContextResponse.js';
import type { KeptContext as KeptContextMessage } from '../../generated/action_energy/v1/KeptContext.js';
import type { PutContextRequest__Output } from '../../generated/action_energy/v1/PutContextRequest.js';
import type { PutContextResponse } from '../../generated/action_energy/v1/PutContextResponse.js';
import * as serving from '../../serving/keep-context.js';
import type { Scope } from '../../serving/scope.js';
import { modelOf, modelWithRoom, type ServingParts } from '../../serving/admission.js';
import type { Parsed } from '../../wire/request.js';
import { decodeInline } from './inputs-message.js';

/** Expiry leaves as wall-clock time. */
export function keptMessage({ id, bytes, expiresAtMs }: KeptContext): KeptContextMessage {
  const wallMs = Date.now() + expiresAtMs - systemClock.nowMs();
  return { contextId: id, bytes, expiresAtMs: Math.round(wallMs) };
}

export async function putContext(
  parts: ServingParts,
  { message, move, decodeMs }: Parsed<PutContextRequest__Output>,
  scope: Scope,
): Promise<PutContextResponse> {
  const model = modelWithRoom(parts, scope, message.model);
  const context = decodeInline('context', message.context, model.card);
  const request = { context, leaseMs: message.leaseMs, move, decodeMs };
  const { kept, version, timings } = await serving.putContext(parts, model, request, scope);
  return { context: keptMessage(kept), model: version, timings };
}

export function dropContext(
  parts: ServingParts,
  { message }: Parsed<DropContextRequest__Output>,
  scope: Scope,
): DropContextResponse {
  return { bytes: serving.dropContext(modelOf(parts, scope, message.model), message.contextId, scope) };
}
