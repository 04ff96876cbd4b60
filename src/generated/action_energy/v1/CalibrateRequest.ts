// Original file: proto/action_energy/v1/calibration.proto

import type { CalibrationHeader as _action_energy_v1_CalibrationHeader, CalibrationHeader__Output as _action_energy_v1_CalibrationHeader__Output } from '../../action_energy/v1/CalibrationHeader.js';
import type { CalibrationRows as _action_energy_v1_CalibrationRows, CalibrationRows__Output as _action_energy_v1_CalibrationRows__Output } from '../../action_energy/v1/CalibrationRows.js';

export interface CalibrateRequest {
  'header'?: (_action_energy_v1_CalibrationHeader | null);
  'rows'?: (_action_energy_v1_CalibrationRows | null);
  'part'?: "header"|"rows";
}

export interface CalibrateRequest__Output {
  'header'?: (_action_energy_v1_CalibrationHeader__Output | null);
  'rows'?: (_action_energy_v1_CalibrationRows__Output | null);
  'part'?: "header"|"rows";
}
