// Original file: proto/action_energy/v1/energy.proto

import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';
import type { InBatchMetrics as _action_energy_v1_InBatchMetrics, InBatchMetrics__Output as _action_energy_v1_InBatchMetrics__Output } from '../../action_energy/v1/InBatchMetrics.js';
import type { ModelVersion as _action_energy_v1_ModelVersion, ModelVersion__Output as _action_energy_v1_ModelVersion__Output } from '../../action_energy/v1/ModelVersion.js';
import type { Timings as _action_energy_v1_Timings, Timings__Output as _action_energy_v1_Timings__Output } from '../../action_energy/v1/Timings.js';

export interface EnergyMatrixResponse {
  'energies'?: (_action_energy_v1_Tensor | null);
  'metrics'?: (_action_energy_v1_InBatchMetrics | null);
  'model'?: (_action_energy_v1_ModelVersion | null);
  'timings'?: (_action_energy_v1_Timings | null);
}

export interface EnergyMatrixResponse__Output {
  'energies': (_action_energy_v1_Tensor__Output | null);
  'metrics': (_action_energy_v1_InBatchMetrics__Output | null);
  'model': (_action_energy_v1_ModelVersion__Output | null);
  'timings': (_action_energy_v1_Timings__Output | null);
}
