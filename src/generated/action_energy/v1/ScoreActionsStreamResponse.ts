// Original file: proto/action_energy/v1/energy.proto

import type { ScoreActionsResponse as _action_energy_v1_ScoreActionsResponse, ScoreActionsResponse__Output as _action_energy_v1_ScoreActionsResponse__Output } from '../../action_energy/v1/ScoreActionsResponse.js';
import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from '../../google/rpc/Status.js';
import type { Superseded as _action_energy_v1_Superseded, Superseded__Output as _action_energy_v1_Superseded__Output } from '../../action_energy/v1/Superseded.js';
import type { Long } from '@grpc/proto-loader';

export interface ScoreActionsStreamResponse {
  'requestId'?: (number | string | Long);
  'response'?: (_action_energy_v1_ScoreActionsResponse | null);
  'error'?: (_google_rpc_Status | null);
  'superseded'?: (_action_energy_v1_Superseded | null);
  'outcome'?: "response"|"error"|"superseded";
}

export interface ScoreActionsStreamResponse__Output {
  'requestId': (string);
  'response'?: (_action_energy_v1_ScoreActionsResponse__Output | null);
  'error'?: (_google_rpc_Status__Output | null);
  'superseded'?: (_action_energy_v1_Superseded__Output | null);
  'outcome'?: "response"|"error"|"superseded";
}
