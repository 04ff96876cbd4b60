// Original file: proto/action_energy/v1/training.proto

import type { TrainingLoss as _action_energy_v1_TrainingLoss, TrainingLoss__Output as _action_energy_v1_TrainingLoss__Output } from '../../action_energy/v1/TrainingLoss.js';

// Original file: proto/action_energy/v1/training.proto

export const _action_energy_v1_TrainingRecipe_Schedule = {
  CONSTANT: 'CONSTANT',
  COSINE: 'COSINE',
} as const;

export type _action_energy_v1_TrainingRecipe_Schedule =
  | 'CONSTANT'
  | 0
  | 'COSINE'
  | 1

export type _action_energy_v1_TrainingRecipe_Schedule__Output = typeof _action_energy_v1_TrainingRecipe_Schedule[keyof typeof _action_energy_v1_TrainingRecipe_Schedule]

export interface TrainingRecipe {
  'losses'?: (_action_energy_v1_TrainingLoss)[];
  'tau'?: (number | string);
  'negatives'?: (string)[];
  'accumulate'?: (number);
  'updates'?: (number);
  'learningRate'?: (number | string);
  'weightDecay'?: (number | string);
  'schedule'?: (_action_energy_v1_TrainingRecipe_Schedule);
  'rampUpdates'?: (number);
  'energyWarmSteps'?: (number);
  'clip'?: (number | string);
  'dropout'?: (number | string);
  'seed'?: (number);
  '_tau'?: "tau";
  '_accumulate'?: "accumulate";
  '_updates'?: "updates";
  '_learningRate'?: "learningRate";
  '_weightDecay'?: "weightDecay";
  '_rampUpdates'?: "rampUpdates";
  '_energyWarmSteps'?: "energyWarmSteps";
  '_clip'?: "clip";
  '_dropout'?: "dropout";
  '_seed'?: "seed";
}

export interface TrainingRecipe__Output {
  'losses': (_action_energy_v1_TrainingLoss__Output)[];
  'tau'?: (number);
  'negatives': (string)[];
  'accumulate'?: (number);
  'updates'?: (number);
  'learningRate'?: (number);
  'weightDecay'?: (number);
  'schedule': (_action_energy_v1_TrainingRecipe_Schedule__Output);
  'rampUpdates'?: (number);
  'energyWarmSteps'?: (number);
  'clip'?: (number);
  'dropout'?: (number);
  'seed'?: (number);
  '_tau'?: "tau";
  '_accumulate'?: "accumulate";
  '_updates'?: "updates";
  '_learningRate'?: "learningRate";
  '_weightDecay'?: "weightDecay";
  '_rampUpdates'?: "rampUpdates";
  '_energyWarmSteps'?: "energyWarmSteps";
  '_clip'?: "clip";
  '_dropout'?: "dropout";
  '_seed'?: "seed";
}
