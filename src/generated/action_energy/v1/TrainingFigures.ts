// Original file: proto/action_energy/v1/training.proto

import type { Long } from '@grpc/proto-loader';

export interface TrainingFigures {
  'step'?: (number | string | Long);
  'updates'?: (number | string | Long);
  'energyLoss'?: (number | string);
  'positiveEnergy'?: (number | string);
  'negativeEnergy'?: (number | string);
  'accuracy'?: (number | string);
  'gradientNorm'?: (number | string);
  'learningRate'?: (number | string);
  '_positiveEnergy'?: "positiveEnergy";
  '_negativeEnergy'?: "negativeEnergy";
  '_accuracy'?: "accuracy";
  '_gradientNorm'?: "gradientNorm";
  '_learningRate'?: "learningRate";
}

export interface TrainingFigures__Output {
  'step': (string);
  'updates': (string);
  'energyLoss': (number);
  'positiveEnergy'?: (number);
  'negativeEnergy'?: (number);
  'accuracy'?: (number);
  'gradientNorm'?: (number);
  'learningRate'?: (number);
  '_positiveEnergy'?: "positiveEnergy";
  '_negativeEnergy'?: "negativeEnergy";
  '_accuracy'?: "accuracy";
  '_gradientNorm'?: "gradientNorm";
  '_learningRate'?: "learningRate";
}
