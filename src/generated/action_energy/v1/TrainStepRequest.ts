// Original file: proto/action_energy/v1/training.proto

import type { TrainingStart as _action_energy_v1_TrainingStart, TrainingStart__Output as _action_energy_v1_TrainingStart__Output } from '../../action_energy/v1/TrainingStart.js';
import type { CalibrationRows as _action_energy_v1_CalibrationRows, CalibrationRows__Output as _action_energy_v1_CalibrationRows__Output } from '../../action_energy/v1/CalibrationRows.js';
import type { SaveModel as _action_energy_v1_SaveModel, SaveModel__Output as _action_energy_v1_SaveModel__Output } from '../../action_energy/v1/SaveModel.js';

export interface TrainStepRequest {
  'start'?: (_action_energy_v1_TrainingStart | null);
  'rows'?: (_action_energy_v1_CalibrationRows | null);
  'save'?: (_action_energy_v1_SaveModel | null);
  'part'?: "start"|"rows"|"save";
}

export interface TrainStepRequest__Output {
  'start'?: (_action_energy_v1_TrainingStart__Output | null);
  'rows'?: (_action_energy_v1_CalibrationRows__Output | null);
  'save'?: (_action_energy_v1_SaveModel__Output | null);
  'part'?: "start"|"rows"|"save";
}
