// Original file: proto/action_energy/v1/energy.proto

import type { Model as _action_energy_v1_Model, Model__Output as _action_energy_v1_Model__Output } from '../../action_energy/v1/Model.js';

export interface ListModelsResponse {
  'models'?: (_action_energy_v1_Model)[];
}

export interface ListModelsResponse__Output {
  'models': (_action_energy_v1_Model__Output)[];
}
