// Original file: proto/action_energy/v1/selection.proto

import type { GateMonitor as _action_energy_v1_GateMonitor, GateMonitor__Output as _action_energy_v1_GateMonitor__Output } from '../../action_energy/v1/GateMonitor.js';

export interface ReportOutcomeResponse {
  'decisions'?: (number);
  'counted'?: (boolean);
  'notCounted'?: (string);
  'monitor'?: (_action_energy_v1_GateMonitor | null);
}

export interface ReportOutcomeResponse__Output {
  'decisions': (number);
  'counted': (boolean);
  'notCounted': (string);
  'monitor': (_action_energy_v1_GateMonitor__Output | null);
}
