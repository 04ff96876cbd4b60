// Original file: proto/action_energy/v1/energy.proto

import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';
import type { MaskPieces as _action_energy_v1_MaskPieces, MaskPieces__Output as _action_energy_v1_MaskPieces__Output } from '../../action_energy/v1/MaskPieces.js';

export interface InlineContext {
  'hidden'?: (_action_energy_v1_Tensor | null);
  'padMask'?: (_action_energy_v1_Tensor | null);
  'maskPieces'?: (_action_energy_v1_MaskPieces | null);
  'mask'?: "padMask"|"maskPieces";
}

export interface InlineContext__Output {
  'hidden': (_action_energy_v1_Tensor__Output | null);
  'padMask'?: (_action_energy_v1_Tensor__Output | null);
  'maskPieces'?: (_action_energy_v1_MaskPieces__Output | null);
  'mask'?: "padMask"|"maskPieces";
}
