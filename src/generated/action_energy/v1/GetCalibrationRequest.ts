// Original file: proto/action_energy/v1/calibration.proto


export interface GetCalibrationRequest {
  'model'?: (string);
}

export interface GetCalibrationRequest__Output {
  'model': (string);
}
