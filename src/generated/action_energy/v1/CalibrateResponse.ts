// Original file: proto/action_energy/v1/calibration.proto

import type { ModelVersion as _action_energy_v1_ModelVersion, ModelVersion__Output as _action_energy_v1_ModelVersion__Output } from '../../action_energy/v1/ModelVersion.js';
import type { KeyFigures as _action_energy_v1_KeyFigures, KeyFigures__Output as _action_energy_v1_KeyFigures__Output } from '../../action_energy/v1/KeyFigures.js';

export interface CalibrateResponse {
  'model'?: (_action_energy_v1_ModelVersion | null);
  'figures'?: (_action_energy_v1_KeyFigures | null);
  'reportJson'?: (string);
}

export interface CalibrateResponse__Output {
  'model': (_action_energy_v1_ModelVersion__Output | null);
  'figures': (_action_energy_v1_KeyFigures__Output | null);
  'reportJson': (string);
}
