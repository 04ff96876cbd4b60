// Original file: proto/action_energy/v1/calibration.proto

import type { CalibrationOptions as _action_energy_v1_CalibrationOptions, CalibrationOptions__Output as _action_energy_v1_CalibrationOptions__Output } from '../../action_energy/v1/CalibrationOptions.js';
import type { Long } from '@grpc/proto-loader';

export interface CalibrationHeader {
  'model'?: (string);
  'rows'?: (number | string | Long);
  'source'?: (string);
  'options'?: (_action_energy_v1_CalibrationOptions | null);
}

export interface CalibrationHeader__Output {
  'model': (string);
  'rows': (string);
  'source': (string);
  'options': (_action_energy_v1_CalibrationOptions__Output | null);
}
