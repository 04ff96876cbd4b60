// Original file: proto/action_energy/v1/energy.proto


export interface Gate {
  'accepted'?: (boolean);
  'marginWanted'?: (number | string);
  'marginFound'?: (number | string);
}

export interface Gate__Output {
  'accepted': (boolean);
  'marginWanted': (number);
  'marginFound': (number);
}
