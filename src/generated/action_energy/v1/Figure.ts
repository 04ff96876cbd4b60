// Original file: proto/action_energy/v1/calibration.proto


export interface Figure {
  'value'?: (number | string);
  'low'?: (number | string);
  'high'?: (number | string);
  '_value'?: "value";
  '_low'?: "low";
  '_high'?: "high";
}

export interface Figure__Output {
  'value'?: (number);
  'low'?: (number);
  'high'?: (number);
  '_value'?: "value";
  '_low'?: "low";
  '_high'?: "high";
}
