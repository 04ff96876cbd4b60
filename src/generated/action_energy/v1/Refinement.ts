// Original file: proto/action_energy/v1/selection.proto


export interface Refinement {
  'steps'?: (number);
  'stepLength'?: (number | string);
  'trustRadius'?: (number | string);
  'dims'?: (number)[];
}

export interface Refinement__Output {
  'steps': (number);
  'stepLength': (number);
  'trustRadius': (number);
  'dims': (number)[];
}
