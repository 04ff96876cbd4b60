// Original file: proto/action_energy/v1/training.proto

import type { TrainingStarted as _action_energy_v1_TrainingStarted, TrainingStarted__Output as _action_energy_v1_TrainingStarted__Output } from '../../action_energy/v1/TrainingStarted.js';
import type { TrainingFigures as _action_energy_v1_TrainingFigures, TrainingFigures__Output as _action_energy_v1_TrainingFigures__Output } from '../../action_energy/v1/TrainingFigures.js';
import type { SavedModel as _action_energy_v1_SavedModel, SavedModel__Output as _action_energy_v1_SavedModel__Output } from '../../action_energy/v1/SavedModel.js';
import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from '../../google/rpc/Status.js';

export interface TrainStepResponse {
  'started'?: (_action_energy_v1_TrainingStarted | null);
  'step'?: (_action_energy_v1_TrainingFigures | null);
  'saved'?: (_action_energy_v1_SavedModel | null);
  'error'?: (_google_rpc_Status | null);
  'outcome'?: "started"|"step"|"saved"|"error";
}

export interface TrainStepResponse__Output {
  'started'?: (_action_energy_v1_TrainingStarted__Output | null);
  'step'?: (_action_energy_v1_TrainingFigures__Output | null);
  'saved'?: (_action_energy_v1_SavedModel__Output | null);
  'error'?: (_google_rpc_Status__Output | null);
  'outcome'?: "started"|"step"|"saved"|"error";
}
