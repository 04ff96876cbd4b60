// Original file: proto/action_energy/v1/energy.proto


export interface KeepContext {
  'leaseMs'?: (number);
}

export interface KeepContext__Output {
  'leaseMs': (number);
}
