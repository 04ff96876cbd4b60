// Original file: proto/action_energy/v1/energy.proto


export interface ModelVersion {
  'name'?: (string);
  'digest'?: (string);
  'calibrationVersion'?: (string);
}

export interface ModelVersion__Output {
  'name': (string);
  'digest': (string);
  'calibrationVersion': (string);
}
