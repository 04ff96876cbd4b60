// Original file: proto/action_energy/v1/calibration.proto


export interface CalibrationOptions {
  'batch'?: (number);
  'seed'?: (number);
  'nearDuplicate'?: (number | string);
  '_batch'?: "batch";
  '_seed'?: "seed";
  '_nearDuplicate'?: "nearDuplicate";
}

export interface CalibrationOptions__Output {
  'batch'?: (number);
  'seed'?: (number);
  'nearDuplicate'?: (number);
  '_batch'?: "batch";
  '_seed'?: "seed";
  '_nearDuplicate'?: "nearDuplicate";
}
