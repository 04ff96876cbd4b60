/** ListModels and GetModel. */
import type { Config } from '../../config/schema.js';
import type { ListModelsResponse } from '../../generated/action_energy/v1/ListModelsResponse.js';
import type { Model } from '../../generated/action_energy/v1/Model.js';
import { Fault } from '../../errors.js';
import type { ModelRegistry } from '../../serving/model-registry.js';
import { versionInForce } from '../../serving/served-model.js';

interface ModelParts {
  readonly models: ModelRegistry;
  readonly limits: Config['limits'];
  readonly contexts: Config['contexts'];
}

type Entry = ModelRegistry['states'][number];

export function listModels(parts: ModelParts): ListModelsResponse {
  return { models: parts.models.states.map((entry) => modelMessage(parts, entry)) };
}

/** Errors: `not_found`. */
export function getModel(parts: ModelParts, name: string): Model {
  const wanted = name === '' ? parts.models.defaultName : name;
  const entry = parts.models.states.find((each) => each.name === wanted);
  if (entry !== undefined) return modelMessage(parts, entry);
  const names = parts.models.states.map((each) => each.name).join(', ');
  throw new Fault('not_found', 'no such model', { field: 'name', found: name, wanted: names });
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
    calibration: model.calibration.message(),
  };
}
