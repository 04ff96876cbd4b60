// Original file: proto/action_energy/v1/energy.proto

import type { HiddenOctaves as _action_energy_v1_HiddenOctaves, HiddenOctaves__Output as _action_energy_v1_HiddenOctaves__Output } from '../../action_energy/v1/HiddenOctaves.js';

// Original file: proto/action_energy/v1/energy.proto

export const _action_energy_v1_CalibrationStatus_State = {
  STATE_UNSPECIFIED: 'STATE_UNSPECIFIED',
  NONE: 'NONE',
  APPLIED: 'APPLIED',
  REFUSED: 'REFUSED',
} as const;

export type _action_energy_v1_CalibrationStatus_State =
  | 'STATE_UNSPECIFIED'
  | 0
  | 'NONE'
  | 1
  | 'APPLIED'
  | 2
  | 'REFUSED'
  | 3

export type _action_energy_v1_CalibrationStatus_State__Output = typeof _action_energy_v1_CalibrationStatus_State[keyof typeof _action_energy_v1_CalibrationStatus_State]

export interface CalibrationStatus {
  'state'?: (_action_energy_v1_CalibrationStatus_State);
  'problem'?: (string);
  'created'?: (string);
  'readoutTau'?: (number | string);
  'logitTau'?: (number | string);
  'hiddenOctaves'?: (_action_energy_v1_HiddenOctaves | null);
}

export interface CalibrationStatus__Output {
  'state': (_action_energy_v1_CalibrationStatus_State__Output);
  'problem': (string);
  'created': (string);
  'readoutTau': (number);
  'logitTau': (number);
  'hiddenOctaves': (_action_energy_v1_HiddenOctaves__Output | null);
}
