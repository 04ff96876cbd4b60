// Original file: proto/action_energy/v1/energy.proto


export interface Baseline {
  'index'?: (number);
  'energy'?: (number | string);
  'rank'?: (number);
  'advantage'?: (number | string);
}

export interface Baseline__Output {
  'index': (number);
  'energy': (number);
  'rank': (number);
  'advantage': (number);
}
