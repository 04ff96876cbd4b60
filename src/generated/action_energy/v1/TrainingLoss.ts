// Original file: proto/action_energy/v1/training.proto


export interface TrainingLoss {
  'kind'?: (string);
  'weight'?: (number | string);
  '_weight'?: "weight";
}

export interface TrainingLoss__Output {
  'kind': (string);
  'weight'?: (number);
  '_weight'?: "weight";
}
