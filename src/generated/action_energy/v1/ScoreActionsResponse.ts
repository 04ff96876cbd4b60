// Original file: proto/action_energy/v1/energy.proto

import type { Tensor as _action_energy_v1_Tensor, Tensor__Output as _action_energy_v1_Tensor__Output } from '../../action_energy/v1/Tensor.js';
import type { KeptContext as _action_energy_v1_KeptContext, KeptContext__Output as _action_energy_v1_KeptContext__Output } from '../../action_energy/v1/KeptContext.js';
import type { Baseline as _action_energy_v1_Baseline, Baseline__Output as _action_energy_v1_Baseline__Output } from '../../action_energy/v1/Baseline.js';
import type { ModelVersion as _action_energy_v1_ModelVersion, ModelVersion__Output as _action_energy_v1_ModelVersion__Output } from '../../action_energy/v1/ModelVersion.js';
import type { Timings as _action_energy_v1_Timings, Timings__Output as _action_energy_v1_Timings__Output } from '../../action_energy/v1/Timings.js';

export interface ScoreActionsResponse {
  'energies'?: (number | string)[];
  'probabilities'?: (number | string)[];
  'ranking'?: (number)[];
  'bestIndex'?: (number);
  'stepEnergies'?: (_action_energy_v1_Tensor | null);
  'logits'?: (number | string)[];
  'context'?: (_action_energy_v1_KeptContext | null);
  'baseline'?: (_action_energy_v1_Baseline | null);
  'model'?: (_action_energy_v1_ModelVersion | null);
  'timings'?: (_action_energy_v1_Timings | null);
  'keepRefused'?: (string);
  'pValues'?: (number | string)[];
  'tau'?: (number | string);
  'actionGradients'?: (_action_energy_v1_Tensor | null);
}

export interface ScoreActionsResponse__Output {
  'energies': (number)[];
  'probabilities': (number)[];
  'ranking': (number)[];
  'bestIndex': (number);
  'stepEnergies': (_action_energy_v1_Tensor__Output | null);
  'logits': (number)[];
  'context': (_action_energy_v1_KeptContext__Output | null);
  'baseline': (_action_energy_v1_Baseline__Output | null);
  'model': (_action_energy_v1_ModelVersion__Output | null);
  'timings': (_action_energy_v1_Timings__Output | null);
  'keepRefused': (string);
  'pValues': (number)[];
  'tau': (number);
  'actionGradients': (_action_energy_v1_Tensor__Output | null);
}
