// Original file: proto/action_energy/v1/selection.proto

import type { InlineContext as _action_energy_v1_InlineContext, InlineContext__Output as _action_energy_v1_InlineContext__Output } from '../../action_energy/v1/InlineContext.js';
import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';
import type { Rule as _action_energy_v1_Rule, Rule__Output as _action_energy_v1_Rule__Output } from '../../action_energy/v1/Rule.js';
import type { Score as _action_energy_v1_Score, Score__Output as _action_energy_v1_Score__Output } from '../../action_energy/v1/Score.js';
import type { KeepContext as _action_energy_v1_KeepContext, KeepContext__Output as _action_energy_v1_KeepContext__Output } from '../../action_energy/v1/KeepContext.js';
import type { Refinement as _action_energy_v1_Refinement, Refinement__Output as _action_energy_v1_Refinement__Output } from '../../action_energy/v1/Refinement.js';
import type { Long } from '@grpc/proto-loader';

export interface SelectActionRequest {
  'model'?: (string);
  'inline'?: (_action_energy_v1_InlineContext | null);
  'contextId'?: (string);
  'candidates'?: (_action_energy_v1_Tensor | null);
  'baselineIndex'?: (number);
  'rule'?: (_action_energy_v1_Rule);
  'score'?: (_action_energy_v1_Score);
  'ungated'?: (boolean);
  'keepContext'?: (_action_energy_v1_KeepContext | null);
  'timeoutMs'?: (number);
  'episodeStep'?: (number | string);
  'episodeId'?: (number | string | Long);
  'taskId'?: (number | string | Long);
  'refinement'?: (_action_energy_v1_Refinement | null);
  'context'?: "inline"|"contextId";
  '_score'?: "score";
  '_episodeStep'?: "episodeStep";
  '_episodeId'?: "episodeId";
  '_taskId'?: "taskId";
  '_refinement'?: "refinement";
}

export interface SelectActionRequest__Output {
  'model': (string);
  'inline'?: (_action_energy_v1_InlineContext__Output | null);
  'contextId'?: (string);
  'candidates': (_action_energy_v1_Tensor__Output | null);
  'baselineIndex': (number);
  'rule': (_action_energy_v1_Rule__Output);
  'score'?: (_action_energy_v1_Score__Output);
  'ungated': (boolean);
  'keepContext': (_action_energy_v1_KeepContext__Output | null);
  'timeoutMs': (number);
  'episodeStep'?: (number);
  'episodeId'?: (string);
  'taskId'?: (string);
  'refinement'?: (_action_energy_v1_Refinement__Output | null);
  'context'?: "inline"|"contextId";
  '_score'?: "score";
  '_episodeStep'?: "episodeStep";
  '_episodeId'?: "episodeId";
  '_taskId'?: "taskId";
  '_refinement'?: "refinement";
}
