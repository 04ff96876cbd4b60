// Original file: proto/action_energy/v1/energy.proto


export interface DropContextResponse {
  'dropped'?: (boolean);
}

export interface DropContextResponse__Output {
  'dropped': (boolean);
}
