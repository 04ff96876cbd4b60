// Original file: proto/action_energy/v1/energy.proto

import type { InlineContext as _action_energy_v1_InlineContext, InlineContext__Output as _action_energy_v1_InlineContext__Output } from '../../action_energy/v1/InlineContext.js';

export interface PutContextRequest {
  'model'?: (string);
  'context'?: (_action_energy_v1_InlineContext | null);
  'leaseMs'?: (number);
}

export interface PutContextRequest__Output {
  'model': (string);
  'context': (_action_energy_v1_InlineContext__Output | null);
  'leaseMs': (number);
}
