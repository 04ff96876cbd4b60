// Original file: proto/action_energy/v1/energy.proto


export interface HiddenOctaves {
  'p05'?: (number | string);
  'p50'?: (number | string);
  'p95'?: (number | string);
}

export interface HiddenOctaves__Output {
  'p05': (number);
  'p50': (number);
  'p95': (number);
}
