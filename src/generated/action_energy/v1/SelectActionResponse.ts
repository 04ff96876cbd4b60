// Original file: proto/action_energy/v1/selection.proto

import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';
import type { Rule as _action_energy_v1_Rule, Rule__Output as _action_energy_v1_Rule__Output } from '../../action_energy/v1/Rule.js';
import type { Consensus as _action_energy_v1_Consensus, Consensus__Output as _action_energy_v1_Consensus__Output } from '../../action_energy/v1/Consensus.js';
import type { Gate as _action_energy_v1_Gate, Gate__Output as _action_energy_v1_Gate__Output } from '../../action_energy/v1/Gate.js';
import type { KeptContext as _action_energy_v1_KeptContext, KeptContext__Output as _action_energy_v1_KeptContext__Output } from '../../action_energy/v1/KeptContext.js';
import type { ModelVersion as _action_energy_v1_ModelVersion, ModelVersion__Output as _action_energy_v1_ModelVersion__Output } from '../../action_energy/v1/ModelVersion.js';
import type { Timings as _action_energy_v1_Timings, Timings__Output as _action_energy_v1_Timings__Output } from '../../action_energy/v1/Timings.js';
import type { Refined as _action_energy_v1_Refined, Refined__Output as _action_energy_v1_Refined__Output } from '../../action_energy/v1/Refined.js';

// Original file: proto/action_energy/v1/selection.proto

export const _action_energy_v1_SelectActionResponse_Fallback = {
  NONE: 'NONE',
  DEADLINE: 'DEADLINE',
  OVERLOAD: 'OVERLOAD',
  ENGINE: 'ENGINE',
  NOT_CALIBRATED: 'NOT_CALIBRATED',
  MUST_NOT_CHOOSE: 'MUST_NOT_CHOOSE',
  GATE_CLOSED: 'GATE_CLOSED',
  GATE_REFUSED: 'GATE_REFUSED',
  CONTROL: 'CONTROL',
} as const;

export type _action_energy_v1_SelectActionResponse_Fallback =
  | 'NONE'
  | 0
  | 'DEADLINE'
  | 1
  | 'OVERLOAD'
  | 2
  | 'ENGINE'
  | 3
  | 'NOT_CALIBRATED'
  | 4
  | 'MUST_NOT_CHOOSE'
  | 5
  | 'GATE_CLOSED'
  | 6
  | 'GATE_REFUSED'
  | 7
  | 'CONTROL'
  | 8

export type _action_energy_v1_SelectActionResponse_Fallback__Output = typeof _action_energy_v1_SelectActionResponse_Fallback[keyof typeof _action_energy_v1_SelectActionResponse_Fallback]

// Original file: proto/action_energy/v1/selection.proto

export const _action_energy_v1_SelectActionResponse_Origin = {
  ORIGIN_UNSPECIFIED: 'ORIGIN_UNSPECIFIED',
  CANDIDATE: 'CANDIDATE',
  AVERAGE: 'AVERAGE',
  BASELINE: 'BASELINE',
  REFINED: 'REFINED',
} as const;

export type _action_energy_v1_SelectActionResponse_Origin =
  | 'ORIGIN_UNSPECIFIED'
  | 0
  | 'CANDIDATE'
  | 1
  | 'AVERAGE'
  | 2
  | 'BASELINE'
  | 3
  | 'REFINED'
  | 4

export type _action_energy_v1_SelectActionResponse_Origin__Output = typeof _action_energy_v1_SelectActionResponse_Origin[keyof typeof _action_energy_v1_SelectActionResponse_Origin]

export interface SelectActionResponse {
  'action'?: (_action_energy_v1_Tensor | null);
  'origin'?: (_action_energy_v1_SelectActionResponse_Origin);
  'candidateIndex'?: (number);
  'rule'?: (_action_energy_v1_Rule);
  'fallback'?: (_action_energy_v1_SelectActionResponse_Fallback);
  'reason'?: (string);
  'energies'?: (number | string)[];
  'weights'?: (number | string)[];
  'consensus'?: (_action_energy_v1_Consensus | null);
  'gate'?: (_action_energy_v1_Gate | null);
  'context'?: (_action_energy_v1_KeptContext | null);
  'keepRefused'?: (string);
  'model'?: (_action_energy_v1_ModelVersion | null);
  'timings'?: (_action_energy_v1_Timings | null);
  'requestId'?: (string);
  'refinement'?: (_action_energy_v1_Refined | null);
}

export interface SelectActionResponse__Output {
  'action': (_action_energy_v1_Tensor__Output | null);
  'origin': (_action_energy_v1_SelectActionResponse_Origin__Output);
  'candidateIndex': (number);
  'rule': (_action_energy_v1_Rule__Output);
  'fallback': (_action_energy_v1_SelectActionResponse_Fallback__Output);
  'reason': (string);
  'energies': (number)[];
  'weights': (number)[];
  'consensus': (_action_energy_v1_Consensus__Output | null);
  'gate': (_action_energy_v1_Gate__Output | null);
  'context': (_action_energy_v1_KeptContext__Output | null);
  'keepRefused': (string);
  'model': (_action_energy_v1_ModelVersion__Output | null);
  'timings': (_action_energy_v1_Timings__Output | null);
  'requestId': (string);
  'refinement': (_action_energy_v1_Refined__Output | null);
}
