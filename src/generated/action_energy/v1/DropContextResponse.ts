// Original file: proto/action_energy/v1/energy.proto

import type { Long } from '@grpc/proto-loader';

export interface DropContextResponse {
  'bytes'?: (number | string | Long);
}

export interface DropContextResponse__Output {
  'bytes': (string);
}
