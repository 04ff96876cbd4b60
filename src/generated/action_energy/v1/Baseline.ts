// Original file: proto/action_energy/v1/energy.proto

import type { Gate as _action_energy_v1_Gate, Gate__Output as _action_energy_v1_Gate__Output } from '../../action_energy/v1/Gate.js';

export interface Baseline {
  'index'?: (number);
  'energy'?: (number | string);
  'rank'?: (number);
  'advantage'?: (number | string);
  'gate'?: (_action_energy_v1_Gate | null);
}

export interface Baseline__Output {
  'index': (number);
  'energy': (number);
  'rank': (number);
  'advantage': (number);
  'gate': (_action_energy_v1_Gate__Output | null);
}
