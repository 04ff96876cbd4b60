// Original file: proto/action_energy/v1/energy.proto

import type { InlineContext as _action_energy_v1_InlineContext, InlineContext__Output as _action_energy_v1_InlineContext__Output } from '../../action_energy/v1/InlineContext.js';
import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';
import type { ScoreOptions as _action_energy_v1_ScoreOptions, ScoreOptions__Output as _action_energy_v1_ScoreOptions__Output } from '../../action_energy/v1/ScoreOptions.js';

export interface ScoreActionsRequest {
  'model'?: (string);
  'inline'?: (_action_energy_v1_InlineContext | null);
  'contextId'?: (string);
  'candidates'?: (_action_energy_v1_Tensor | null);
  'options'?: (_action_energy_v1_ScoreOptions | null);
  'context'?: "inline"|"contextId";
}

export interface ScoreActionsRequest__Output {
  'model': (string);
  'inline'?: (_action_energy_v1_InlineContext__Output | null);
  'contextId'?: (string);
  'candidates': (_action_energy_v1_Tensor__Output | null);
  'options': (_action_energy_v1_ScoreOptions__Output | null);
  'context'?: "inline"|"contextId";
}
