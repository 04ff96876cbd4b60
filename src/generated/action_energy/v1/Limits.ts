// Original file: proto/action_energy/v1/energy.proto


export interface Limits {
  'messageBytes'?: (number);
  'tokens'?: (number);
  'candidates'?: (number);
  'steps'?: (number);
  'contexts'?: (number);
  'streamOutstanding'?: (number);
  'leaseMs'?: (number);
  'scoredSteps'?: (number);
}

export interface Limits__Output {
  'messageBytes': (number);
  'tokens': (number);
  'candidates': (number);
  'steps': (number);
  'contexts': (number);
  'streamOutstanding': (number);
  'leaseMs': (number);
  'scoredSteps': (number);
}
