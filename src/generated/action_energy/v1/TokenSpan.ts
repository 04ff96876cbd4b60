// Original file: proto/action_energy/v1/energy.proto


export interface TokenSpan {
  'start'?: (number);
  'end'?: (number);
}

export interface TokenSpan__Output {
  'start': (number);
  'end': (number);
}
