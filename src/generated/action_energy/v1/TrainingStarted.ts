// Original file: proto/action_energy/v1/training.proto

import type { ModelVersion as _action_energy_v1_ModelVersion, ModelVersion__Output as _action_energy_v1_ModelVersion__Output } from '../../action_energy/v1/ModelVersion.js';
import type { Long } from '@grpc/proto-loader';

export interface TrainingStarted {
  'model'?: (_action_energy_v1_ModelVersion | null);
  'parameters'?: (number | string | Long);
}

export interface TrainingStarted__Output {
  'model': (_action_energy_v1_ModelVersion__Output | null);
  'parameters': (string);
}
