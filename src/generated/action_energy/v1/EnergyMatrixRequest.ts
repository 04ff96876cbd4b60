// Original file: proto/action_energy/v1/energy.proto

import type { Context as _action_energy_v1_Context, Context__Output as _action_energy_v1_Context__Output } from '../../action_energy/v1/Context.js';
import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';
import type { Pool as _action_energy_v1_Pool, Pool__Output as _action_energy_v1_Pool__Output } from '../../action_energy/v1/Pool.js';
import type { Score as _action_energy_v1_Score, Score__Output as _action_energy_v1_Score__Output } from '../../action_energy/v1/Score.js';

export interface EnergyMatrixRequest {
  'model'?: (string);
  'contexts'?: (_action_energy_v1_Context)[];
  'actions'?: (_action_energy_v1_Tensor | null);
  'pool'?: (_action_energy_v1_Pool | null);
  'tau'?: (number | string);
  'score'?: (_action_energy_v1_Score);
  '_tau'?: "tau";
}

export interface EnergyMatrixRequest__Output {
  'model': (string);
  'contexts': (_action_energy_v1_Context__Output)[];
  'actions': (_action_energy_v1_Tensor__Output | null);
  'pool': (_action_energy_v1_Pool__Output | null);
  'tau'?: (number);
  'score': (_action_energy_v1_Score__Output);
  '_tau'?: "tau";
}
