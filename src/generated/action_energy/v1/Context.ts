// Original file: proto/action_energy/v1/energy.proto

import type { InlineContext as _action_energy_v1_InlineContext, InlineContext__Output as _action_energy_v1_InlineContext__Output } from '../../action_energy/v1/InlineContext.js';

export interface Context {
  'inline'?: (_action_energy_v1_InlineContext | null);
  'contextId'?: (string);
  'source'?: "inline"|"contextId";
}

export interface Context__Output {
  'inline'?: (_action_energy_v1_InlineContext__Output | null);
  'contextId'?: (string);
  'source'?: "inline"|"contextId";
}
