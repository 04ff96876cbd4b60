// Original file: proto/action_energy/v1/calibration.proto

import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';

export interface CalibrationRows {
  'hidden'?: (_action_energy_v1_Tensor | null);
  'offsets'?: (number)[];
  'actions'?: (_action_energy_v1_Tensor | null);
  'padMask'?: (_action_energy_v1_Tensor | null);
  'taskId'?: (number | string)[];
  'episodeId'?: (number | string)[];
  'step'?: (number | string)[];
  'negatives'?: (_action_energy_v1_Tensor | null);
  'layerActions'?: (_action_energy_v1_Tensor | null);
  'policyActions'?: (_action_energy_v1_Tensor | null);
  'candidates'?: (_action_energy_v1_Tensor | null);
  'candidateCost'?: (_action_energy_v1_Tensor | null);
  'outcome'?: (number | string)[];
  'tokenGroup'?: (number)[];
}

export interface CalibrationRows__Output {
  'hidden': (_action_energy_v1_Tensor__Output | null);
  'offsets': (number)[];
  'actions': (_action_energy_v1_Tensor__Output | null);
  'padMask': (_action_energy_v1_Tensor__Output | null);
  'taskId': (number)[];
  'episodeId': (number)[];
  'step': (number)[];
  'negatives': (_action_energy_v1_Tensor__Output | null);
  'layerActions': (_action_energy_v1_Tensor__Output | null);
  'policyActions': (_action_energy_v1_Tensor__Output | null);
  'candidates': (_action_energy_v1_Tensor__Output | null);
  'candidateCost': (_action_energy_v1_Tensor__Output | null);
  'outcome': (number)[];
  'tokenGroup': (number)[];
}
