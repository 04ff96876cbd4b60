// Original file: proto/action_energy/v1/energy.proto

import type { TokenSpan as _action_energy_v1_TokenSpan, TokenSpan__Output as _action_energy_v1_TokenSpan__Output } from '../../action_energy/v1/TokenSpan.js';

export interface MaskPieces {
  'numPatches'?: (number);
  'actionTokens'?: (_action_energy_v1_TokenSpan)[];
}

export interface MaskPieces__Output {
  'numPatches': (number);
  'actionTokens': (_action_energy_v1_TokenSpan__Output)[];
}
