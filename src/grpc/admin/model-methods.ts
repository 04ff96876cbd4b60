/** ListModels, GetModel and Reload. */
import type { GetModelRequest__Output } from '../../generated/action_energy/v1/GetModelRequest.js';
import type { CalibrationStatus } from '../../generated/action_energy/v1/CalibrationStatus.js';
import type { HiddenOctaves } from '../../generated/action_energy/v1/HiddenOctaves.js';
import type { ListModelsResponse } from '../../generated/action_energy/v1/ListModelsResponse.js';
import type { Model } from '../../generated/action_energy/v1/Model.js';
import type { ModelVersion } from '../../generated/action_energy/v1/ModelVersion.js';
import type { ReloadRequest__Output } from '../../generated/action_energy/v1/ReloadRequest.js';
import type { ReloadResponse } from '../../generated/action_energy/v1/ReloadResponse.js';
import { Fault } from '../../errors.js';
import type { CalibrationState } from '../../calibration/apply.js';
import type { Inputs } from '../../calibration/fit/input-statistics.js';
import type { ModelRegistry } from '../../serving/model-registry.js';
import type { ServedModel } from '../../serving/served-model.js';
import type { ServingParts } from '../../serving/admission.js';
import type { Parsed } from '../../wire/request.js';

type ModelParts = Pick<ServingParts, 'models' | 'limits' | 'contexts'>;

type Entry = ModelRegistry['states'][number];

/** The version with the calibration in force. */
export function versionInForce({ version, calibration }: ServedModel): ModelVersion {
  return { ...version, calibrationVersion: calibration.version };
}

export function listModels(parts: ModelParts): ListModelsResponse {
  return { models: parts.models.states.map((entry) => modelMessage(parts, entry)) };
}

/** Errors: `not_found`. */
export function getModel(parts: ModelParts, { message: { name } }: Parsed<GetModelRequest__Output>): Model {
  const wanted = name === '' ? parts.models.defaultName : name;
  const entry = parts.models.states.find((each) => each.name === wanted);
  if (entry !== undefined) return modelMessage(parts, entry);
  const names = parts.models.states.map((each) => each.name).join(', ');
  throw new Fault('not_found', 'no such model', { field: 'name', found: name, wanted: names });
}

/** Errors: those of `ModelRegistry.reload`. */
export async function reload(
  { models }: Pick<ModelParts, 'models'>,
  { message }: Parsed<ReloadRequest__Output>,
): Promise<ReloadResponse> {
  return { models: (await models.reload(message.model)).map(versionInForce) };
}

function modelMessage({ models, limits, contexts }: ModelParts, { name, state, model }: Entry): Model {
  const isDefault = name === models.defaultName;
  if (model === undefined) return { version: { name }, isDefault, state };
  const { card, engine } = model;
  return {
    version: versionInForce(model),
    isDefault,
    state,
    architecture: card.architecture,
    stateDim: card.state_dim,
    actionDim: card.action_dim,
    chunk: card.chunk ?? 0,
    tau: card.tau,
    cardJson: JSON.stringify(card),
    provider: engine.info.provider,
    threads: engine.info.threads,
    bytesPerToken: engine.info.bytesPerToken,
    limits: {
      messageBytes: limits.messageBytes,
      tokens: limits.tokens,
      candidates: limits.candidates,
      steps: limits.steps,
      contexts: limits.contexts,
      scoredSteps: limits.scoredSteps,
      streamOutstanding: limits.streamOutstanding,
      leaseMs: contexts.maxLeaseMs,
    },
    calibration: calibrationMessage(model.calibration.state),
  };
}

function calibrationMessage(state: CalibrationState): CalibrationStatus {
  switch (state.state) {
    case 'NONE':
      return { state: 'NONE' };
    case 'REFUSED':
      return { state: 'REFUSED', problem: state.fault.message };
    case 'APPLIED': {
      const { created, scores, inputs } = state.calibration;
      return {
        state: 'APPLIED',
        created,
        readoutTau: scores.readout.temperature.tau,
        logitTau: scores.logit.temperature.tau,
        ...(inputs && { hiddenOctaves: octavesMessage(inputs) }),
      };
    }
  }
}

function octavesMessage({ hidden_octaves: [p05, p50, p95] }: Inputs): HiddenOctaves {
  return { p05, p50, p95 };
}
