// Original file: proto/action_energy/v1/admin.proto

import type { ModelVersion as _action_energy_v1_ModelVersion, ModelVersion__Output as _action_energy_v1_ModelVersion__Output } from '../../action_energy/v1/ModelVersion.js';

export interface ReloadResponse {
  'models'?: (_action_energy_v1_ModelVersion)[];
}

export interface ReloadResponse__Output {
  'models': (_action_energy_v1_ModelVersion__Output)[];
}
