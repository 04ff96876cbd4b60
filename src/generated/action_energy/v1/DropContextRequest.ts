// Original file: proto/action_energy/v1/energy.proto


export interface DropContextRequest {
  'model'?: (string);
  'contextId'?: (string);
}

export interface DropContextRequest__Output {
  'model': (string);
  'contextId': (string);
}
