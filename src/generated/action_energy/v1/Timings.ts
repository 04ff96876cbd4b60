// Original file: proto/action_energy/v1/energy.proto


export interface Timings {
  'queueMs'?: (number | string);
  'encodeMs'?: (number | string);
  'scoreMs'?: (number | string);
  'totalMs'?: (number | string);
}

export interface Timings__Output {
  'queueMs': (number);
  'encodeMs': (number);
  'scoreMs': (number);
  'totalMs': (number);
}
