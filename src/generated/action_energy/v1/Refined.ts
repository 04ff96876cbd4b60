// Original file: proto/action_energy/v1/selection.proto


// Original file: proto/action_energy/v1/selection.proto

export const _action_energy_v1_Refined_End = {
  END_UNSPECIFIED: 'END_UNSPECIFIED',
  STEPS: 'STEPS',
  LOWEST: 'LOWEST',
  TIME: 'TIME',
  ROOM: 'ROOM',
  FAILED: 'FAILED',
} as const;

export type _action_energy_v1_Refined_End =
  | 'END_UNSPECIFIED'
  | 0
  | 'STEPS'
  | 1
  | 'LOWEST'
  | 2
  | 'TIME'
  | 3
  | 'ROOM'
  | 4
  | 'FAILED'
  | 5

export type _action_energy_v1_Refined_End__Output = typeof _action_energy_v1_Refined_End[keyof typeof _action_energy_v1_Refined_End]

export interface Refined {
  'startEnergy'?: (number | string);
  'energy'?: (number | string);
  'stepsTaken'?: (number);
  'displacement'?: (number | string);
  'end'?: (_action_energy_v1_Refined_End);
}

export interface Refined__Output {
  'startEnergy': (number);
  'energy': (number);
  'stepsTaken': (number);
  'displacement': (number);
  'end': (_action_energy_v1_Refined_End__Output);
}
