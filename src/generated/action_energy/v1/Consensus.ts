// Original file: proto/action_energy/v1/selection.proto

import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';

export interface Consensus {
  'index'?: (number);
  'action'?: (_action_energy_v1_Tensor | null);
  'modes'?: (number);
}

export interface Consensus__Output {
  'index': (number);
  'action': (_action_energy_v1_Tensor__Output | null);
  'modes': (number);
}
