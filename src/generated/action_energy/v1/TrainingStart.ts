// Original file: proto/action_energy/v1/training.proto

import type { TrainingRecipe as _action_energy_v1_TrainingRecipe, TrainingRecipe__Output as _action_energy_v1_TrainingRecipe__Output } from '../../action_energy/v1/TrainingRecipe.js';

export interface TrainingStart {
  'model'?: (string);
  'cardJson'?: (string);
  'recipe'?: (_action_energy_v1_TrainingRecipe | null);
  'from'?: "model"|"cardJson";
}

export interface TrainingStart__Output {
  'model'?: (string);
  'cardJson'?: (string);
  'recipe': (_action_energy_v1_TrainingRecipe__Output | null);
  'from'?: "model"|"cardJson";
}
