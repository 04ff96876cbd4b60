/** EnergyMatrix: every context by every chunk, with the in-batch metrics when square. */
import { systemClock } from '../../batching/clock.js';
import { swapInfoNce } from '../../energy/losses.js';
import { invalid } from '../../errors.js';
import type { EnergyMatrixRequest__Output } from '../../generated/action_energy/v1/EnergyMatrixRequest.js';
import type { EnergyMatrixResponse } from '../../generated/action_energy/v1/EnergyMatrixResponse.js';
import { energiesFromRaw } from '../../model/energy.js';
import { encodeFloat32 } from '../../wire/tensor.js';
import { decodeActions } from './actions-message.js';
import { submitWork, type Parsed, type Scope } from '../transport/unary.js';
import { decodeContextRef } from './context-message.js';
import { decodeEnergyOptions, decodeTau } from './options-message.js';
import { countTokens, modelWithRoom, rawOf, timingsOf, type EnergyParts } from './score-actions.js';

export async function energyMatrix(
  parts: EnergyParts,
  { message, move: movable, decodeMs }: Parsed<EnergyMatrixRequest__Output>,
  scope: Scope,
): Promise<EnergyMatrixResponse> {
  const model = modelWithRoom(parts, scope, message.model);
  const { card } = model;
  const rows = message.contexts.length; // B
  if (rows === 0 || rows > parts.limits.contexts) {
    throw invalid('contexts', 'wrong number of contexts', {
      found: String(rows),
      wanted: `1 to ${parts.limits.contexts}`,
    });
  }
  // a message's memory can be given away once, so only with a single context
  const move = movable && rows === 1;
  const actions = decodeActions('actions', message.actions, rows, card, parts.limits, move);
  const options = decodeEnergyOptions('', message.pool, message.score, card, actions.steps);
  const tau = decodeTau('tau', message.tau, card);
  const contexts = message.contexts.map((context, i) => {
    const { ref, decoded } = decodeContextRef(`contexts[${i}]`, context, card, parts.limits.tokens, move);
    if (decoded) countTokens(parts.metrics, model, decoded);
    return ref;
  });

  const result = await submitWork(
    parts.metrics,
    scope,
    model,
    { contexts, actions },
    decodeMs + systemClock.nowMs() - scope.startMs,
  );

  const columns = actions.candidates; // M
  const { energies } = energiesFromRaw(rawOf(result), actions.steps, options);
  const square = rows === columns && rows >= 2;
  const metrics = square ? swapInfoNce(energies, rows, tau) : undefined;
  return {
    energies: encodeFloat32([rows, columns], Float32Array.from(energies)),
    ...(metrics && {
      metrics: {
        infonceLoss: metrics.loss,
        accuracy: metrics.accuracy,
        positiveEnergy: metrics.positiveEnergy,
        negativeEnergy: metrics.negativeEnergy,
      },
    }),
    model: model.version,
    timings: timingsOf(result, scope),
  };
}
