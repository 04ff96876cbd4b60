// Original file: proto/action_energy/v1/energy.proto

import type { ScoreActionsRequest as _action_energy_v1_ScoreActionsRequest, ScoreActionsRequest__Output as _action_energy_v1_ScoreActionsRequest__Output } from '../../action_energy/v1/ScoreActionsRequest.js';
import type { Long } from '@grpc/proto-loader';

export interface ScoreActionsStreamRequest {
  'requestId'?: (number | string | Long);
  'request'?: (_action_energy_v1_ScoreActionsRequest | null);
  'supersede'?: (boolean);
  'timeoutMs'?: (number);
}

export interface ScoreActionsStreamRequest__Output {
  'requestId': (string);
  'request': (_action_energy_v1_ScoreActionsRequest__Output | null);
  'supersede': (boolean);
  'timeoutMs': (number);
}
