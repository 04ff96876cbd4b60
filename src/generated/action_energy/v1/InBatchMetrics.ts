// Original file: proto/action_energy/v1/energy.proto


export interface InBatchMetrics {
  'infonceLoss'?: (number | string);
  'accuracy'?: (number | string);
  'positiveEnergy'?: (number | string);
  'negativeEnergy'?: (number | string);
}

export interface InBatchMetrics__Output {
  'infonceLoss': (number);
  'accuracy': (number);
  'positiveEnergy': (number);
  'negativeEnergy': (number);
}
