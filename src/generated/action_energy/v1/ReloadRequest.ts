// Original file: proto/action_energy/v1/admin.proto


export interface ReloadRequest {
  'model'?: (string);
}

export interface ReloadRequest__Output {
  'model': (string);
}
