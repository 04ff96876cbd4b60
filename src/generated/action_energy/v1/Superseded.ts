// Original file: proto/action_energy/v1/energy.proto

import type { Long } from '@grpc/proto-loader';

export interface Superseded {
  'byRequestId'?: (number | string | Long);
}

export interface Superseded__Output {
  'byRequestId': (string);
}
