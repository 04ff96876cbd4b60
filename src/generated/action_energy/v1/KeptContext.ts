// Original file: proto/action_energy/v1/energy.proto

import type { Long } from '@grpc/proto-loader';

export interface KeptContext {
  'contextId'?: (string);
  'bytes'?: (number | string | Long);
  'expiresAtMs'?: (number | string | Long);
}

export interface KeptContext__Output {
  'contextId': (string);
  'bytes': (string);
  'expiresAtMs': (string);
}
