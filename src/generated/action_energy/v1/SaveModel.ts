// Original file: proto/action_energy/v1/training.proto


export interface SaveModel {
  'name'?: (string);
  'replace'?: (boolean);
}

export interface SaveModel__Output {
  'name': (string);
  'replace': (boolean);
}
