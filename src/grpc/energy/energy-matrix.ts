/** EnergyMatrix, from message to request and from answer to message. */
import type { EnergyMatrixRequest__Output } from '../../generated/action_energy/v1/EnergyMatrixRequest.js';
import type { EnergyMatrixResponse } from '../../generated/action_energy/v1/EnergyMatrixResponse.js';
import { checkedCount, matrixRequest } from '../../serving/matrix.js';
import type { Scope } from '../../serving/scope.js';
import { modelWithRoom, type ServingParts } from '../../serving/admission.js';
import type { Parsed } from '../../wire/request.js';
import { decodeFloatTensor, encodeFloat32 } from '../../wire/tensor-message.js';
import { chunkAxes, decodeContext, decodeModelScore, decodePool } from './inputs-message.js';

export async function energyMatrix(
  parts: ServingParts,
  { message, move, decodeMs }: Parsed<EnergyMatrixRequest__Output>,
  scope: Scope,
): Promise<EnergyMatrixResponse> {
  const model = modelWithRoom(parts, scope, message.model);
  const { card } = model;
  checkedCount(parts, message.contexts.length);
  const pool = decodePool(message.pool);
  const { energies, shape, metrics, version, timings } = await matrixRequest(
    parts,
    model,
    {
      actions: decodeFloatTensor('actions', message.actions, chunkAxes(card)),
      contexts: message.contexts.map((context, i) => decodeContext(`contexts[${i}]`, context, card)),
      move,
      decodeMs,
      score: decodeModelScore('score', message.score),
      ...(pool && { pool }),
      ...(message.tau !== undefined && { tau: Number(message.tau) }),
    },
    scope,
  );
  return {
    energies: encodeFloat32(shape, Float32Array.from(energies)),
    ...(metrics && {
      metrics: {
        infonceLoss: metrics.loss,
        accuracy: metrics.accuracy,
        positiveEnergy: metrics.positiveEnergy,
        negativeEnergy: metrics.negativeEnergy,
      },
    }),
    model: version,
    timings,
  };
}
