// Original file: proto/action_energy/v1/selection.proto

import type { Long } from '@grpc/proto-loader';

export interface GateMonitor {
  'open'?: (boolean);
  'evidence'?: (number | string);
  'closesAt'?: (number | string);
  'outcomes'?: (number | string | Long);
}

export interface GateMonitor__Output {
  'open': (boolean);
  'evidence': (number);
  'closesAt': (number);
  'outcomes': (string);
}
