// Original file: proto/action_energy/v1/energy.proto

import type { ModelVersion as _action_energy_v1_ModelVersion, ModelVersion__Output as _action_energy_v1_ModelVersion__Output } from '../../action_energy/v1/ModelVersion.js';
import type { Limits as _action_energy_v1_Limits, Limits__Output as _action_energy_v1_Limits__Output } from '../../action_energy/v1/Limits.js';
import type { CalibrationStatus as _action_energy_v1_CalibrationStatus, CalibrationStatus__Output as _action_energy_v1_CalibrationStatus__Output } from '../../action_energy/v1/CalibrationStatus.js';

// Original file: proto/action_energy/v1/energy.proto

export const _action_energy_v1_Model_State = {
  STATE_UNSPECIFIED: 'STATE_UNSPECIFIED',
  LOADING: 'LOADING',
  READY: 'READY',
  FAILED: 'FAILED',
  DRAINING: 'DRAINING',
} as const;

export type _action_energy_v1_Model_State =
  | 'STATE_UNSPECIFIED'
  | 0
  | 'LOADING'
  | 1
  | 'READY'
  | 2
  | 'FAILED'
  | 3
  | 'DRAINING'
  | 4

export type _action_energy_v1_Model_State__Output = typeof _action_energy_v1_Model_State[keyof typeof _action_energy_v1_Model_State]

export interface Model {
  'version'?: (_action_energy_v1_ModelVersion | null);
  'isDefault'?: (boolean);
  'state'?: (_action_energy_v1_Model_State);
  'architecture'?: (string);
  'stateDim'?: (number);
  'actionDim'?: (number);
  'chunk'?: (number);
  'tau'?: (number | string);
  'cardJson'?: (string);
  'provider'?: (string);
  'threads'?: (number);
  'bytesPerToken'?: (number);
  'limits'?: (_action_energy_v1_Limits | null);
  'calibration'?: (_action_energy_v1_CalibrationStatus | null);
}

export interface Model__Output {
  'version': (_action_energy_v1_ModelVersion__Output | null);
  'isDefault': (boolean);
  'state': (_action_energy_v1_Model_State__Output);
  'architecture': (string);
  'stateDim': (number);
  'actionDim': (number);
  'chunk': (number);
  'tau': (number);
  'cardJson': (string);
  'provider': (string);
  'threads': (number);
  'bytesPerToken': (number);
  'limits': (_action_energy_v1_Limits__Output | null);
  'calibration': (_action_energy_v1_CalibrationStatus__Output | null);
}
