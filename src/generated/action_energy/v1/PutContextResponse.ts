// Original file: proto/action_energy/v1/energy.proto

import type { KeptContext as _action_energy_v1_KeptContext, KeptContext__Output as _action_energy_v1_KeptContext__Output } from '../../action_energy/v1/KeptContext.js';
import type { ModelVersion as _action_energy_v1_ModelVersion, ModelVersion__Output as _action_energy_v1_ModelVersion__Output } from '../../action_energy/v1/ModelVersion.js';
import type { Timings as _action_energy_v1_Timings, Timings__Output as _action_energy_v1_Timings__Output } from '../../action_energy/v1/Timings.js';

export interface PutContextResponse {
  'context'?: (_action_energy_v1_KeptContext | null);
  'model'?: (_action_energy_v1_ModelVersion | null);
  'timings'?: (_action_energy_v1_Timings | null);
}

export interface PutContextResponse__Output {
  'context': (_action_energy_v1_KeptContext__Output | null);
  'model': (_action_energy_v1_ModelVersion__Output | null);
  'timings': (_action_energy_v1_Timings__Output | null);
}
